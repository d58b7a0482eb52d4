//! Requests kept in memory, with the effects of those that were answered; and stores that get it
//! wrong, for the test of the tests.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay_core::{
    Attempt, BoxFault, Claim, Code, Completion, Fault, IdempotencyFuture, IdempotencyStore,
    KeptAnswer, KeyedRequest, Kind,
};
use tokio::{task::yield_now, time::Instant};

tokio::task_local! {
    /// What the attempt has sold so far.
    static SOLD: Arc<Mutex<Vec<String>>>;
}

/// How a store gets it wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flaw {
    #[default]
    None,
    /// Between the look and the claim there is time for another one.
    LooksThenClaims,
    /// Between the commit of the effect and that of the answer there is time to go away.
    CommitsThenRecords,
    /// Nobody gets an answer from it.
    Unreachable,
    /// Loses every claim to somebody else.
    Loses,
}

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    flaw: Flaw,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: HashMap<[u8; 32], Row>,
    /// How often each thing was sold, for good.
    effects: HashMap<String, u32>,
}

struct Row {
    fingerprint: [u8; 32],
    attempt: u64,
    lease_until: Instant,
    answer: Option<KeptAnswer>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub(crate) fn with(flaw: Flaw) -> Self {
        Self(Arc::new(Shared { flaw, ..Shared::default() }))
    }

    /// The effect of an order: at once without a key, and with the answer otherwise.
    pub(crate) fn sell(&self, thing: &str) {
        let pending = SOLD.try_with(|sold| locked(sold).push(thing.to_owned()));
        if pending.is_err() {
            self.commit(&[thing.to_owned()]);
        }
    }

    pub(crate) fn sold(&self, thing: &str) -> u32 {
        locked(&self.0.state).effects.get(thing).copied().unwrap_or_default()
    }

    /// How many requests are known.
    pub(crate) fn rows(&self) -> usize {
        locked(&self.0.state).rows.len()
    }

    fn commit(&self, things: &[String]) {
        let mut state = locked(&self.0.state);
        for thing in things {
            *state.effects.entry(thing.clone()).or_default() += 1;
        }
    }

    /// What is known of a request that cannot be claimed.
    fn known(&self, request: KeyedRequest) -> Option<Claim> {
        let state = locked(&self.0.state);
        let row = state.rows.get(&request.id)?;
        if row.fingerprint != request.fingerprint {
            return Some(Claim::Reused);
        }
        match &row.answer {
            Some(answer) => Some(Claim::Answered(answer.clone())),
            None => (row.lease_until > Instant::now()).then_some(Claim::InProgress),
        }
    }

    fn take(&self, request: KeyedRequest, lease: Duration) -> Claim {
        let attempt = self.0.next.fetch_add(1, Ordering::Relaxed);
        let lease_until = Instant::now() + lease;
        let row = Row { fingerprint: request.fingerprint, attempt, lease_until, answer: None };
        locked(&self.0.state).rows.insert(request.id, row);
        let sold = Arc::default();
        Claim::Fresh(Box::new(MemoryAttempt {
            memory: self.clone(),
            id: request.id,
            attempt,
            sold,
        }))
    }
}

/// The store does not answer.
pub(crate) const NO_STORE: Code = Code::new("NO_STORE", Kind::Unavailable, "Nobody can tell");

#[derive(Debug, thiserror::Error)]
#[error("nobody can tell")]
struct Unreachable;

impl Fault for Unreachable {
    fn code(&self) -> Code {
        NO_STORE
    }

    fn detail(&self) -> Cow<'static, str> {
        "Try again shortly.".into()
    }
}

impl IdempotencyStore for Memory {
    fn claim(
        &self,
        request: KeyedRequest,
        lease: Duration,
    ) -> IdempotencyFuture<'_, Result<Claim, BoxFault>> {
        Box::pin(async move {
            // As any store does.
            yield_now().await;
            if self.0.flaw == Flaw::Unreachable {
                return Err(Box::new(Unreachable) as BoxFault);
            }
            if let Some(known) = self.known(request) {
                return Ok(known);
            }
            if self.0.flaw == Flaw::LooksThenClaims {
                yield_now().await;
            }
            Ok(self.take(request, lease))
        })
    }

    fn codes(&self) -> Vec<Code> {
        vec![NO_STORE]
    }
}

struct MemoryAttempt {
    memory: Memory,
    id: [u8; 32],
    attempt: u64,
    sold: Arc<Mutex<Vec<String>>>,
}

impl MemoryAttempt {
    /// Records the answer, and the effects unless that was done; false if the claim is gone.
    fn record(&self, answer: KeptAnswer, effects: &[String]) -> bool {
        let mut state = locked(&self.memory.0.state);
        let row = state.rows.get_mut(&self.id).filter(|row| row.attempt == self.attempt);
        let Some(row) = row else { return false };
        row.answer = Some(answer);
        for thing in effects {
            *state.effects.entry(thing.clone()).or_default() += 1;
        }
        true
    }
}

impl Attempt for MemoryAttempt {
    fn scope<'a>(&'a mut self, work: IdempotencyFuture<'a, ()>) -> IdempotencyFuture<'a, ()> {
        Box::pin(SOLD.scope(self.sold.clone(), work))
    }

    fn complete(
        self: Box<Self>,
        answer: KeptAnswer,
    ) -> IdempotencyFuture<'static, Result<Completion, BoxFault>> {
        Box::pin(async move {
            let sold = locked(&self.sold).clone();
            yield_now().await;
            let recorded = match self.memory.0.flaw {
                Flaw::Loses => false,
                Flaw::CommitsThenRecords => {
                    self.memory.commit(&sold);
                    yield_now().await;
                    self.record(answer, &[])
                }
                _ => self.record(answer, &sold),
            };
            Ok(if recorded { Completion::Kept } else { Completion::Lost })
        })
    }

    fn give_up(self: Box<Self>) -> IdempotencyFuture<'static, ()> {
        Box::pin(async move { drop(self) })
    }
}

impl Drop for MemoryAttempt {
    fn drop(&mut self) {
        let mut state = locked(&self.memory.0.state);
        let holds = |row: &Row| row.attempt == self.attempt && row.answer.is_none();
        if state.rows.get(&self.id).is_some_and(holds) {
            state.rows.remove(&self.id);
        }
    }
}
