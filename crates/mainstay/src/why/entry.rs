//! A request in memory: as small as it can be, its size known, and never changed.

use std::{
    fmt::{self, Display, Write as _},
    sync::Arc,
    time::Duration,
};

use mainstay_core::{Code, Recorded, RequestId, RequestLine, SpanId, Subject, Timestamp, TraceId};

use super::{
    recorder::Origin,
    wire::{Kept, Record, milliseconds},
};
use crate::telemetry::TEXT_BYTES_MAX;

/// What an [`Arc`] holds beside its value: two counts.
const COUNTS: usize = 2 * size_of::<usize>();

/// What the line of a request said, and the steps that came with it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time: Timestamp,
    id: RequestId,
    trace_id: TraceId,
    span_id: SpanId,
    parent_id: Option<SpanId>,
    subject: Option<Subject>,
    module: &'static str,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
    pub(super) duration: Duration,
    bytes_in: u64,
    bytes_out: u64,
    pub(super) code: Option<Code>,
    replayed: bool,
    cause: Option<Box<str>>,
    pub(super) kept: Kept,
    steps: Box<[Recorded]>,
    omitted: u32,
}

impl Entry {
    /// What the smallest one takes.
    pub(super) const BYTES_MIN: usize = COUNTS + size_of::<Self>();

    pub(super) fn new(line: &RequestLine<'_>, kept: Kept) -> Arc<Self> {
        let (steps, omitted) = match line.steps {
            Some(steps) => (steps.list.as_slice().into(), steps.omitted),
            None => (Box::default(), 0),
        };
        Arc::new(Self {
            time: line.time,
            id: line.id.clone(),
            trace_id: line.trace.trace_id,
            span_id: line.trace.span_id,
            parent_id: line.trace.parent_id,
            subject: line.subject,
            module: line.module,
            method: line.method,
            route: line.route,
            status: line.status,
            duration: line.duration,
            bytes_in: line.bytes_in,
            bytes_out: line.bytes_out,
            code: line.code,
            replayed: line.replayed,
            cause: line.cause.map(as_logged),
            kept,
            steps,
            omitted,
        })
    }

    /// What it takes of the memory, without its place in a list.
    pub(super) fn bytes(&self) -> usize {
        // An id that is longer than ours is kept elsewhere; a short one may be counted twice.
        let id = self.id.as_bytes().len();
        let cause = self.cause.as_ref().map_or(0, |cause| cause.len());
        Self::BYTES_MIN + id + cause + size_of_val(&*self.steps)
    }

    /// Whether somebody asks for it by this id.
    pub(super) fn is(&self, wanted: &Wanted<'_>) -> bool {
        wanted.trace == Some(self.trace_id) || self.id.as_bytes() == wanted.text.as_bytes()
    }

    /// As it is told.
    pub(super) fn record(&self, origin: &Origin) -> Record {
        Record {
            time: in_milliseconds(self.time),
            id: self.id.to_string(),
            trace_id: self.trace_id.to_string(),
            span_id: self.span_id.to_string(),
            parent_id: self.parent_id.map(|id| id.to_string()),
            user_id: self.subject.map(|subject| subject.to_string()),
            module: self.module.into(),
            method: self.method.into(),
            route: self.route.into(),
            status: self.status,
            ms: milliseconds(self.duration),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            code: self.code.map(|code| code.name.into()),
            meaning: self.code.map(|code| code.meaning.into()),
            replayed: self.replayed,
            cause: self.cause.as_deref().map(ToOwned::to_owned),
            release: origin.release.clone(),
            instance: origin.instance.clone(),
            kept: self.kept,
            steps: self.steps.iter().map(Into::into).collect(),
            omitted: self.omitted,
        }
    }
}

/// An id that somebody looks for: of a request, or of a trace.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    text: &'a str,
    trace: Option<TraceId>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        Self { text, trace: number.map(|number| TraceId(number.to_be_bytes())) }
    }
}

/// `2026-01-31T12:00:00.123Z`, as the log has it.
pub(super) fn in_milliseconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A cause as the log has it: cut where that cuts.
fn as_logged(cause: &dyn Display) -> Box<str> {
    let mut text = Bounded(String::new());
    // The error says that the rest was cut, which the text shows.
    let _ = write!(text, "{cause}");
    text.0.into()
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = TEXT_BYTES_MAX.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(left)]);
        self.0.push('…');
        Err(fmt::Error)
    }
}
