//! The pool: connections that one caller at a time has for itself: a transaction, or a statement
//! that others should not wait for.
//!
//! `open` counts every connection from the moment it is wanted to the moment it is gone, so that
//! there are never more than `pool_max`. Idle ones are a stack, so that a quiet service keeps few
//! of them warm; who waits is a queue, and a connection that comes free is handed to its head.
//! A connection exists in exactly one place: the stack, a [`Lease`], a hand-off on its way (which
//! is a `Lease` too, and returns when nobody takes it), or a task that opens or heals it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mainstay_core::{Histogram, Work};
use tokio::sync::{oneshot, watch};

use super::{
    connection::{Connection, Purpose, closed},
    connector::Connector,
    holders::{Hold, Holders},
    lease::Lease,
};
use crate::{
    database::{Connections, DatabaseOptions, PostgresFigures, figures},
    error::{Cause, StoreError},
};

/// How much of the measured hold time each new measurement makes: 1/8, as a TCP sender smooths its
/// round-trip time (RFC 6298).
const HOLD_WEIGHT: f64 = 1.0 / 8.0;

/// The handle; clones share the connections.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    state: Mutex<State>,
    /// How many connections there are, for who waits for their end.
    open: watch::Sender<usize>,
    holders: Arc<Holders>,
    waits: Histogram,
    holds: Histogram,
    refused: AtomicU64,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    waiting: VecDeque<oneshot::Sender<Result<Lease, StoreError>>>,
    open: usize,
    closed: bool,
    /// How long a connection is held, smoothed.
    hold: Duration,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

/// What is to be done after the lock has been given back.
enum Next {
    Hand(oneshot::Sender<Result<Lease, StoreError>>, Box<Connection>),
    Kept,
    Dropped(Box<Connection>),
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        let (state, open) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Shared {
            connector,
            state,
            open,
            holders: Arc::default(),
            waits: figures::histogram(),
            holds: figures::histogram(),
            refused: AtomicU64::new(0),
        }))
    }

    pub(super) fn options(&self) -> &DatabaseOptions {
        &self.0.connector.options
    }

    /// A connection for the caller alone. Waits until `deadline`, and no longer than somebody waits
    /// for what is worked for.
    pub(super) async fn acquire(&self, deadline: Instant) -> Result<Lease, StoreError> {
        let begun = Instant::now();
        let acquired = self.acquire_since(begun, deadline).await;
        self.0.waits.observe(begun.elapsed());
        if matches!(acquired, Err(StoreError::Overloaded(_))) {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        acquired
    }

    async fn acquire_since(&self, begun: Instant, deadline: Instant) -> Result<Lease, StoreError> {
        let left = Work::time_left();
        let answer = match self.enter(left)? {
            Ok(lease) => return Ok(lease.held(Hold::new(&self.0.holders))),
            Err(answer) => answer,
        };
        let patience = deadline.saturating_duration_since(begun).min(left.unwrap_or(Duration::MAX));
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answered)) => Ok(answered?.held(Hold::new(&self.0.holders))),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                let obstacle = self.0.connector.obstacle();
                Err(obstacle.unwrap_or_else(|| self.exhausted(begun.elapsed())))
            }
        }
    }

    /// Whether somebody who comes now would have to wait for nobody.
    pub(super) fn has_room(&self) -> bool {
        let state = self.state();
        !state.closed
            && state.waiting.is_empty()
            && (!state.idle.is_empty() || state.open < self.options().pool_max)
    }

    /// What there is and who has it; of the lanes nothing.
    pub(super) fn connections(&self) -> Connections {
        let holders = self.0.holders.list();
        let state = self.state();
        Connections {
            lanes_busy: 0,
            lanes_waiting: 0,
            pool_max: self.options().pool_max,
            pool_open: state.open,
            pool_idle: state.idle.len(),
            pool_waiting: state.waiting.iter().filter(|waiting| !waiting.is_closed()).count(),
            holders,
        }
    }

    /// The same, and what was counted since the start.
    pub(super) fn figures(&self) -> PostgresFigures {
        PostgresFigures {
            connections: self.connections(),
            waits: self.0.waits.read(),
            holds: self.0.holds.read(),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    /// A connection that is free, or a place in the queue; refused at once where waiting is of no
    /// use, because the wait is longer than allowed or would leave no time to use the connection.
    fn enter(
        &self,
        left: Option<Duration>,
    ) -> Result<Result<Lease, oneshot::Receiver<Result<Lease, StoreError>>>, StoreError> {
        let options = &self.0.connector.options;
        let mut state = self.state();
        if state.closed {
            return Err(closed());
        }
        let mut dropped = Vec::new();
        while let Some(Idle { connection, .. }) = state.idle.pop() {
            if connection.is_fit() {
                return Ok(Ok(Lease::new(connection, self.clone())));
            }
            dropped.push(connection);
        }
        state.open -= dropped.len();
        let full = state.open >= options.pool_max;
        if full {
            let waiting = state.waiting.len();
            let hold = state.hold;
            let wait = hold.mul_f64((waiting + 1) as f64).div_f64(options.pool_max as f64);
            let is_too_long = wait > options.acquire_timeout
                || left.is_some_and(|left| wait + hold > left)
                || waiting >= options.write_queue_max;
            if is_too_long {
                drop(state);
                return Err(StoreError::Overloaded(Cause::text(format!(
                    "{waiting} callers wait for {} connections, and each holds one for {} ms; \
                     held by {}",
                    options.pool_max,
                    hold.as_millis(),
                    self.0.holders.longest(),
                ))));
            }
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.push_back(sender);
        if !full {
            state.open += 1;
        }
        self.0.open.send_replace(state.open);
        drop(state);
        drop(dropped);
        if !full {
            self.open_one();
        }
        Ok(Err(answer))
    }

    fn exhausted(&self, waited: Duration) -> StoreError {
        let Connections { pool_max, pool_open, pool_idle, pool_waiting, .. } = self.connections();
        StoreError::Overloaded(Cause::text(format!(
            "no connection came free in {} ms: {} of {pool_max} are in use, {pool_waiting} wait; \
             held by {}",
            waited.as_millis(),
            pool_open - pool_idle,
            self.0.holders.longest(),
        )))
    }

    /// Opens a connection that has been counted, in a task of its own: a caller that goes away
    /// would take the handshake with it.
    fn open_one(&self) {
        let pool = self.clone();
        tokio::spawn(async move {
            match pool.0.connector.connect(Purpose::Exclusive).await {
                Ok(connection) => pool.put(Box::new(connection)),
                Err(error) => pool.not_opened(&error),
            }
        });
    }

    /// Tells everybody who waits, if there is no connection left that might come free for them.
    fn not_opened(&self, error: &StoreError) {
        let mut state = self.state();
        state.open -= 1;
        self.0.open.send_replace(state.open);
        let hopeless =
            if state.open == 0 { std::mem::take(&mut state.waiting) } else { VecDeque::new() };
        drop(state);
        for waiting in hopeless {
            // An error is a caller that has gone.
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// Takes a connection back from who held it since `since`.
    pub(super) fn put_back(&self, connection: Box<Connection>, since: Instant) {
        let mut state = self.state();
        let held = since.elapsed();
        self.0.holds.observe(held);
        state.hold = if state.hold.is_zero() {
            held
        } else {
            state.hold.mul_f64(1.0 - HOLD_WEIGHT) + held.mul_f64(HOLD_WEIGHT)
        };
        drop(state);
        self.put(connection);
    }

    /// Hands a connection on, or keeps it. It must be idle.
    pub(super) fn put(&self, connection: Box<Connection>) {
        let mut connection = connection;
        loop {
            match self.place(connection) {
                Next::Kept => return,
                Next::Dropped(dropped) => {
                    drop(dropped);
                    self.gone();
                    return;
                }
                Next::Hand(waiting, ready) => {
                    match waiting.send(Ok(Lease::new(ready, self.clone()))) {
                        // Nobody waits there any more; the next one may.
                        Err(Ok(lease)) => match lease.into_connection() {
                            Some(unused) => connection = unused,
                            None => return,
                        },
                        Ok(()) | Err(Err(_)) => return,
                    }
                }
            }
        }
    }

    fn place(&self, connection: Box<Connection>) -> Next {
        let mut state = self.state();
        if !connection.is_fit() {
            return Next::Dropped(connection);
        }
        while let Some(waiting) = state.waiting.pop_front() {
            if !waiting.is_closed() {
                return Next::Hand(waiting, connection);
            }
        }
        if state.closed {
            return Next::Dropped(connection);
        }
        state.idle.push(Idle { connection, since: Instant::now() });
        Next::Kept
    }

    /// A connection is no more; another is opened if somebody waits for it.
    pub(super) fn gone(&self) {
        let mut state = self.state();
        let wanted = !state.waiting.is_empty();
        if !wanted {
            state.open -= 1;
        }
        self.0.open.send_replace(state.open);
        drop(state);
        if wanted {
            self.open_one();
        }
    }

    /// Closes what has been idle for too long or is not fit any more, oldest first, and opens what
    /// is missing.
    pub(super) fn keep_up(&self) {
        let options = &self.0.connector.options;
        let mut state = self.state();
        let spare = state.idle.len().saturating_sub(options.pool_min_idle);
        let (mut index, mut old) = (0, 0);
        let mut dropped = Vec::new();
        while index < state.idle.len() {
            let idle = &state.idle[index];
            let is_old = old < spare && idle.since.elapsed() >= options.idle_timeout;
            if is_old || !idle.connection.is_fit() {
                old += usize::from(is_old);
                dropped.push(state.idle.remove(index));
            } else {
                index += 1;
            }
        }
        state.open -= dropped.len();
        let missing = options.pool_min_idle.saturating_sub(state.open);
        let missing = if state.closed { 0 } else { missing };
        state.open += missing;
        self.0.open.send_replace(state.open);
        drop(state);
        drop(dropped);
        for _ in 0..missing {
            self.open_one();
        }
    }

    /// Refuses new callers, and returns when those that wait have been served and every connection
    /// is closed, or when they have had the time that a transaction may take.
    pub(super) async fn close(&self) {
        let idle = {
            let mut state = self.state();
            state.closed = true;
            let idle = std::mem::take(&mut state.idle);
            state.open -= idle.len();
            self.0.open.send_replace(state.open);
            idle
        };
        drop(idle);
        let options = &self.0.connector.options;
        let patience = options.acquire_timeout + options.transaction_timeout;
        let mut open = self.0.open.subscribe();
        // Who holds a transaction for longer has lost it to its own time limit.
        let _ = tokio::time::timeout(patience, open.wait_for(|open| *open == 0)).await;
    }

    /// No code of a caller runs under the lock, so a poisoned state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
