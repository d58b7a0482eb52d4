//! Lanes: a few connections that all single statements share.
//!
//! Each statement is a transaction of its own, so many can be under way on one connection at once;
//! the server answers in order. What is sent cannot be called back: a cancellation names a
//! connection, not a statement, and would hit a neighbour. So a caller that goes away leaves its
//! statement to a task that waits for the answer, and the lane's count stays true.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Error;

use super::{
    connection::{Connection, Prepared, closed},
    connector::Connector,
    failure::{self, Step},
    keyword::{self, Access},
    session::{GRACE, NO_ANSWER},
};
use crate::{
    database::Outcome,
    error::{Cause, StoreError},
    value::Value,
};

/// For how long the server may be at one statement until its lane gets no new work while another is
/// free. Taste: some hundred times what a statement on indexed data takes.
const SLOW: Duration = Duration::from_millis(10);

/// The handle; clones share the connections.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    lanes: Box<[Arc<Lane>]>,
    /// One for each statement that may be under way.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Default)]
struct Lane {
    state: Mutex<State>,
    /// Held by who opens the lane's connection.
    opening: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// When each statement under way was sent, oldest first.
    sent: VecDeque<Instant>,
    /// When the last answer came.
    answered: Option<Instant>,
}

impl State {
    /// For how long the server has been at the oldest statement. What is queued behind others waits
    /// for them, and is not slow itself.
    fn busy_since(&self) -> Option<Instant> {
        self.sent.front().copied().max(self.answered.filter(|_| !self.sent.is_empty()))
    }
}

/// A place on a lane.
struct Place {
    lane: Arc<Lane>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Answers come in order, so the one that is done is the oldest.
        let mut state = self.lane.state();
        state.sent.pop_front();
        state.answered = Some(Instant::now());
    }
}

impl Lanes {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        let options = &connector.options;
        Self(Arc::new(Shared {
            lanes: (0..options.lanes).map(|_| Arc::default()).collect(),
            permits: Arc::new(Semaphore::new(options.lanes * options.lane_depth)),
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            connector,
        }))
    }

    /// Gives the first lane its connection.
    pub(super) fn begin_with(&self, connection: Connection) {
        if let Some(lane) = self.0.lanes.first() {
            lane.state().connection = Some(Arc::new(connection));
        }
    }

    pub(super) async fn run(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        access: Access,
    ) -> Result<Outcome, StoreError> {
        keyword::check(sql, access)?;
        let permit = self.permit().await?;
        let place = self.place(permit);
        let connection = self.connection(&place.lane, Connection::is_current).await?;
        let prepared = connection.prepare(sql).await?;
        let sent = send(connection, place, sql, prepared, params);
        let (connection, place, params, result) = sent.await;
        match result {
            Err(error) if failure::is_stale(&error) => {}
            result => {
                return result.map_err(|error| connection.failed(&error, sql, Step::Run));
            }
        }
        // It was refused before it ran, so it may be sent again.
        connection.forget(sql);
        let prepared = connection.prepare(sql).await?;
        let again = send(connection, place, sql, prepared, params);
        let (connection, _place, _params, result) = again.await;
        result.map_err(|error| connection.failed(&error, sql, Step::Run))
    }

    /// Waits for a place, first come first served.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let shared = &self.0;
        if shared.closed.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if let Ok(permit) = shared.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let options = &shared.connector.options;
        let waiting = Waiting::enter(&shared.waiting);
        if waiting.before >= options.read_queue_max {
            return Err(StoreError::Overloaded(Cause::text("the queue is full")));
        }
        let acquiring = shared.permits.clone().acquire_owned();
        match tokio::time::timeout(options.queue_wait_max, acquiring).await {
            Ok(permit) => permit.map_err(|_| closed()),
            Err(_) => Err(StoreError::Overloaded(Cause::text("the queue moves too slowly"))),
        }
    }

    /// Chooses the lane that is not held up, is connected, and has the least to do.
    fn place(&self, permit: OwnedSemaphorePermit) -> Place {
        let shared = &self.0;
        let now = Instant::now();
        let burden = |lane: &&Arc<Lane>| {
            let state = lane.state();
            let down = state.connection.as_ref().is_none_or(|connection| !connection.is_open());
            let slow = state.busy_since().is_some_and(|since| now.duration_since(since) > SLOW);
            let held_up = slow || (down && shared.connector.obstacle().is_some());
            (held_up, down, state.sent.len())
        };
        // `DatabaseOptions::check` has made sure that there is a lane.
        let lane = match shared.lanes.iter().min_by_key(burden) {
            Some(lane) => lane.clone(),
            None => Arc::default(),
        };
        lane.state().sent.push_back(now);
        Place { lane, _permit: permit }
    }

    /// The lane's connection, if it is acceptable; opens another if it is not.
    async fn connection(
        &self,
        lane: &Arc<Lane>,
        accept: fn(&Connection) -> bool,
    ) -> Result<Arc<Connection>, StoreError> {
        if let Some(connection) = lane.connection(accept) {
            return Ok(connection);
        }
        let opening = lane.opening.clone().lock_owned().await;
        if let Some(connection) = lane.connection(accept) {
            return Ok(connection);
        }
        let (lane, shared) = (lane.clone(), self.0.clone());
        // In a task of its own: a caller that goes away would take the handshake with it.
        let opened = tokio::spawn(async move {
            let _opening = opening;
            let connection = Arc::new(shared.connector.connect().await?);
            let replaced = lane.state().connection.replace(connection.clone());
            // Its last statement ends it.
            drop(replaced);
            if shared.closed.load(Ordering::Relaxed) {
                let unwanted = lane.state().connection.take();
                drop(unwanted);
            }
            Ok(connection)
        });
        opened.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Opens what is not open, and ends a connection whose oldest statement has outlived the
    /// server's own time limit: nobody is there any more.
    pub(super) async fn keep_up(&self) {
        let stuck = self.0.connector.options.statement_timeout + GRACE;
        for lane in &self.0.lanes {
            let dead = {
                let mut state = lane.state();
                let is_stuck = state.busy_since().is_some_and(|since| since.elapsed() > stuck);
                if is_stuck { state.connection.take() } else { None }
            };
            if let Some(dead) = dead {
                dead.abort(NO_ANSWER);
            }
            if !self.0.closed.load(Ordering::Relaxed) {
                // One that is merely old serves until another is there. Nobody waits for this, and
                // who needs it is told.
                let _ = self.connection(lane, Connection::is_fit).await;
            }
        }
    }

    /// Refuses new statements, and returns when those that wait have been answered.
    pub(super) async fn close(&self) {
        let shared = &self.0;
        shared.closed.store(true, Ordering::Relaxed);
        let options = &shared.connector.options;
        let all = (options.lanes * options.lane_depth) as u32;
        // Behind everybody who waits already. An error is a close that came first.
        drop(shared.permits.acquire_many(all).await);
        shared.permits.close();
        for lane in &shared.lanes {
            let connection = lane.state().connection.take();
            drop(connection);
        }
    }
}

/// What a statement leaves when it has been answered.
type Answer = (Arc<Connection>, Place, Vec<Value>, Result<Outcome, Error>);

fn send(
    connection: Arc<Connection>,
    place: Place,
    sql: &'static str,
    prepared: Option<Prepared>,
    params: Vec<Value>,
) -> Sent<Answer> {
    Sent::new(async move {
        let result = connection.run(sql, prepared.as_ref(), &params).await;
        (connection, place, params, result)
    })
}

impl Lane {
    fn connection(&self, accept: fn(&Connection) -> bool) -> Option<Arc<Connection>> {
        self.state().connection.clone().filter(|connection| accept(connection))
    }

    /// No code of a caller runs under the lock, so a poisoned state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts somebody who waits.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A statement that runs to its end whoever waits for it: dropped under way, it becomes a task.
struct Sent<T: Send + 'static> {
    running: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// It has been polled, and so it has been sent.
    begun: bool,
}

impl<T: Send + 'static> Sent<T> {
    fn new(running: impl Future<Output = T> + Send + 'static) -> Self {
        Self { running: Some(Box::pin(running)), begun: false }
    }
}

impl<T: Send + 'static> Future for Sent<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(running) = self.running.as_mut() else { return Poll::Pending };
        let polled = running.as_mut().poll(context);
        if polled.is_ready() {
            self.running = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Sent<T> {
    fn drop(&mut self) {
        let Some(running) = self.running.take().filter(|_| self.begun) else { return };
        // Without a runtime the connection is going away too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(running);
        }
    }
}
