//! Who still wants an answer, and until when: how a statement is given up before or while it runs.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use rusqlite::Connection;

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Decides the race between a job's start and its caller's patience: exactly one of
/// [`start`](Ticket::start) and [`withdraw`](Ticket::withdraw) succeeds, so a caller that was told
/// "not started" can rely on it.
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicU8);

impl Ticket {
    /// Claims the job for a thread; false when its caller has gone.
    pub(super) fn start(&self) -> bool {
        self.step(STARTED)
    }

    /// Takes the job back; false when it has been started.
    pub(super) fn withdraw(&self) -> bool {
        self.step(GIVEN_UP)
    }

    /// The caller has gone, whatever the state.
    fn give_up(&self) {
        self.0.store(GIVEN_UP, Ordering::Relaxed);
    }

    fn given_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == GIVEN_UP
    }

    /// One atomic cell and no data behind it, so the order of other memory does not matter.
    fn step(&self, to: u8) -> bool {
        self.0.compare_exchange(WAITING, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The caller's end of a ticket: dropping it gives the job up.
pub(super) struct Claim(Arc<Ticket>);

impl Claim {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn ticket(&self) -> Arc<Ticket> {
        self.0.clone()
    }

    pub(super) fn withdraw(&self) -> bool {
        self.0.withdraw()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Virtual machine instructions between two looks at the clock: some 20 µs of work, so a statement
/// stops promptly and the look costs nothing measurable.
const INSTRUCTIONS_PER_LOOK: i32 = 1000;

/// Stops the statement that a connection runs, from SQLite's progress handler.
///
/// Not `sqlite3_interrupt`: that is lost when it comes just before the first step, and hits the
/// next statement when it comes just after the last.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Option<Limit>>>);

struct Limit {
    deadline: Instant,
    ticket: Option<Arc<Ticket>>,
}

impl Watch {
    pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<Self> {
        let watch = Self::default();
        let looking = watch.clone();
        connection.progress_handler(INSTRUCTIONS_PER_LOOK, Some(move || looking.is_over()))?;
        Ok(watch)
    }

    /// Runs `work` with its statements stopped at `deadline`, or when `ticket` is given up.
    pub(super) fn during<T>(
        &self,
        deadline: Instant,
        ticket: Option<Arc<Ticket>>,
        work: impl FnOnce() -> T,
    ) -> T {
        *self.lock() = Some(Limit { deadline, ticket });
        let result = work();
        *self.lock() = None;
        result
    }

    fn is_over(&self) -> bool {
        self.lock().as_ref().is_some_and(|limit| {
            limit.ticket.as_ref().is_some_and(|ticket| ticket.given_up())
                || Instant::now() >= limit.deadline
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Limit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
