//! `Journal`: what was done for a request, step by step, for whoever asks why it ended as it did.
//!
//! A step consists of names from the source and of numbers. What a client sent has no place in it,
//! by type, so whoever shows a journal need not think about what is in there. From it come the
//! timeline of `why`, the console and the spans of a trace.
//!
//! Code that does something for a request writes [`Step::begin`], and [`Step::end`] with what came
//! of it. It need not know whether anybody records: outside of a request both cost a look at a
//! variable of the thread.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    trace::{RequestId, SpanId, TraceContext},
    work::Work,
};

/// Steps that one request may leave; what is beyond is counted. A request of more has a loop that
/// is better seen by its first steps.
const STEPS_MAX: usize = 64;

/// What a usual request needs: its room is taken at once.
const STEPS_USUAL: usize = 8;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Limits that are decided together. The name is that of the limit that decided, the number
    /// what remains of it.
    Limit,
    /// Who asks.
    Authentication,
    /// The request is done once, under its key: its claim.
    Idempotency,
    /// The endpoint's own code.
    Handler,
    /// A statement. The name is its text, which has no values in it; the number is that of rows.
    Sql,
    /// A transaction, from the wait for its connection to its end.
    Transaction,
    /// A value by its key. The name is the cache's.
    Cache,
    /// A question to Redis. The name is what it was for.
    Redis,
    /// A password is hashed or verified.
    Password,
    /// Feature flags are evaluated. The number is that of flags.
    Flags,
    /// A request to another service. The name is the service's, the number the status.
    Outbound,
    /// Something of the service's own.
    Other,
}

impl StepKind {
    /// The kind as people and machines read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Authentication => "authentication",
            Self::Idempotency => "idempotency",
            Self::Handler => "handler",
            Self::Sql => "sql",
            Self::Transaction => "transaction",
            Self::Cache => "cache",
            Self::Redis => "redis",
            Self::Password => "password",
            Self::Flags => "flags",
            Self::Outbound => "outbound",
            Self::Other => "other",
        }
    }
}

/// The place of a step in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepId(u8);

impl StepId {
    /// From 0, in the order in which steps began.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is recorded of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// What it is.
    pub kind: StepKind,
    /// A name from the source.
    pub name: &'static str,
    /// The step that it is a part of; `None` for a part of the request itself.
    pub parent: Option<StepId>,
    /// When it began, from the beginning of the request.
    pub began: Duration,
    /// How much of it was waiting for a turn: in a queue, or for a connection.
    pub waited: Duration,
    /// How long it took, waiting included; `None` while it has not ended.
    pub took: Option<Duration>,
    /// What came of it, by a word from the source: `ok`, `hit`, `refused`, `timed_out`. Empty while
    /// it has not ended.
    pub outcome: &'static str,
    /// Whether that was a failure.
    pub failed: bool,
    /// What there is to count, by the kind.
    pub number: Option<i64>,
}

/// The steps of one request, and its ids. Clones are the same.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: RequestId,
    trace: TraceContext,
    began: Instant,
    /// `None` where nobody asks for steps, and once they have been taken.
    steps: Mutex<Option<Recording>>,
}

#[derive(Debug)]
struct Recording {
    steps: Steps,
    /// When a step last began or ended, from the beginning of the request.
    at: Duration,
}

/// The steps of a request, in the order in which they began.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// What was recorded.
    pub list: Vec<Recorded>,
    /// How many there was no room for.
    pub omitted: u32,
}

/// A step of which nothing is known but that it began.
const OPEN: Recorded = Recorded {
    kind: StepKind::Other,
    name: "",
    parent: None,
    began: Duration::ZERO,
    waited: Duration::ZERO,
    took: None,
    outcome: "",
    failed: false,
    number: None,
};

impl Recording {
    fn begin(&mut self, step: Recorded) -> Option<StepId> {
        self.at = step.began;
        let Steps { list, omitted } = &mut self.steps;
        if list.len() == STEPS_MAX {
            *omitted += 1;
            return None;
        }
        list.push(step);
        Some(StepId((list.len() - 1) as u8))
    }

    fn step(&mut self, id: StepId) -> Option<&mut Recorded> {
        self.steps.list.get_mut(id.index())
    }
}

impl Steps {
    /// Each step beside its place.
    pub fn numbered(&self) -> impl Iterator<Item = (StepId, &Recorded)> {
        (0..).map(StepId).zip(&self.list)
    }
}

impl Journal {
    /// Begins now. Steps are kept if they are `recorded`; the ids are known in any case.
    pub fn new(id: RequestId, trace: TraceContext, recorded: bool) -> Self {
        Self::begun(Instant::now(), id, trace, recorded)
    }

    /// The same, of a request that has begun before.
    pub fn begun(began: Instant, id: RequestId, trace: TraceContext, recorded: bool) -> Self {
        let steps = || Steps { list: Vec::with_capacity(STEPS_USUAL), omitted: 0 };
        let recording = || Recording { steps: steps(), at: Duration::ZERO };
        let steps = Mutex::new(recorded.then(recording));
        Self(Arc::new(Shared { id, trace, began, steps }))
    }

    /// The id of the request.
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// The trace, and the request's span in it.
    pub fn trace(&self) -> &TraceContext {
        &self.0.trace
    }

    /// When the request began.
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// Ends the recording, and hands out what there is. Later steps are recorded nowhere: they
    /// belong to work that outlives the request.
    pub fn take(&self) -> Option<Steps> {
        self.recording().take().map(|recording| recording.steps)
    }

    fn open(&self, kind: StepKind, name: &'static str, parent: Option<StepId>) -> Option<Open> {
        let now = Instant::now();
        let began = now.saturating_duration_since(self.began());
        let step = Recorded { kind, name, parent, began, ..OPEN };
        let id = self.recording().as_mut()?.begin(step)?;
        Some(Open { journal: self.clone(), id, began: now })
    }

    fn change(&self, id: StepId, change: impl FnOnce(&mut Recorded)) {
        if let Some(step) = self.recording().as_mut().and_then(|recording| recording.step(id)) {
            change(step);
        }
    }

    /// No code of a caller runs under the lock, so what is in it is whole.
    fn recording(&self) -> MutexGuard<'_, Option<Recording>> {
        self.0.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TraceContext {
    /// The span of a step of the request whose span this is. It follows from that, so that it need
    /// not be kept, and differs from those of other steps as a random number does.
    pub fn span_of(&self, step: StepId) -> SpanId {
        let request = u64::from_be_bytes(self.span_id.0);
        let mixed = mix(request.wrapping_add(GOLDEN.wrapping_mul(u64::from(step.0) + 1)));
        // An id of zeros is none.
        SpanId(mixed.max(1).to_be_bytes())
    }
}

/// 2^64 divided by the golden ratio, as `SplitMix64` steps (Steele et al., OOPSLA 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of `SplitMix64`: a bijection, so different steps have different ids.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A step that has begun. Dropped before [`end`](Self::end), it was abandoned: its caller ran out
/// of time or went away.
#[derive(Debug)]
#[must_use = "a step ends with `end`"]
pub struct Step(Option<Open>);

#[derive(Debug)]
struct Open {
    journal: Journal,
    id: StepId,
    began: Instant,
}

impl Step {
    /// Begins a step of what is worked for now. Costs two looks at the clock where steps are
    /// recorded, and none elsewhere.
    pub fn begin(kind: StepKind, name: &'static str) -> Self {
        Self::part(None, kind, name)
    }

    /// The same, as a part of another step that has not ended.
    pub fn part(of: Option<StepId>, kind: StepKind, name: &'static str) -> Self {
        Self(
            Work::with_recorder(|journal, parent| journal.open(kind, name, of.or(parent)))
                .flatten(),
        )
    }

    /// Records something that takes no time worth knowing. It is told at the time at which the last
    /// step before it began or ended: to look at the clock would cost more than what is recorded.
    pub fn note(kind: StepKind, name: &'static str, outcome: &'static str, number: Option<i64>) {
        Work::with_recorder(|journal, parent| {
            let mut recording = journal.recording();
            let recording = recording.as_mut()?;
            let (began, took) = (recording.at, Some(Duration::ZERO));
            recording.begin(Recorded { kind, name, parent, began, took, outcome, number, ..OPEN })
        });
    }

    /// Where it is recorded, if it is.
    pub fn id(&self) -> Option<StepId> {
        self.0.as_ref().map(|open| open.id)
    }

    /// Gives it the name that it turned out to have.
    pub fn rename(self, name: &'static str) -> Self {
        if let Some(open) = &self.0 {
            open.journal.change(open.id, |step| step.name = name);
        }
        self
    }

    /// How much of it was waiting for a turn.
    pub fn waited(&self, waited: Duration) {
        if let Some(open) = &self.0 {
            open.journal.change(open.id, |step| step.waited = waited);
        }
    }

    /// Waiting for a turn is over, and the work begins.
    pub fn turn(&self) {
        if let Some(open) = &self.0 {
            self.waited(open.began.elapsed());
        }
    }

    /// Ends it well. The number counts what its kind says.
    pub fn end(self, outcome: &'static str, number: Option<i64>) {
        self.close(outcome, false, number);
    }

    /// Ends it with a failure.
    pub fn fail(self, outcome: &'static str) {
        self.fail_with(outcome, None);
    }

    /// Ends it with a failure that has a number, as the status of a refusal.
    pub fn fail_with(self, outcome: &'static str, number: Option<i64>) {
        self.close(outcome, true, number);
    }

    fn close(mut self, outcome: &'static str, failed: bool, number: Option<i64>) {
        if let Some(open) = self.0.take() {
            open.close(outcome, failed, number);
        }
    }
}

impl Open {
    fn close(&self, outcome: &'static str, failed: bool, number: Option<i64>) {
        let took = self.began.elapsed();
        let mut recording = self.journal.recording();
        let Some(recording) = recording.as_mut() else { return };
        let Some(step) = recording.step(self.id) else { return };
        step.took = Some(took);
        step.outcome = outcome;
        step.failed = failed;
        step.number = number;
        recording.at = step.began + took;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.close("abandoned", true, None);
        }
    }
}

#[cfg(test)]
mod tests;
