//! Lanes: a few connections that all single statements share.
//!
//! Each statement is a transaction of its own, so many can be under way on one connection at once;
//! the server answers in order. What has to wait on the server (a slow statement, a lock) would have
//! everybody behind it wait too, so a lane is for what is quick: it takes few statements until its
//! answers are, gives up a lock within moments, and hands back what it cannot do.

mod lane;
mod sent;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, Notify};
use tokio_postgres::Error;

use self::{
    lane::{Lane, Look, Place, SLOW},
    sent::Sent,
};
use super::{
    connection::{Connection, Purpose, closed},
    connector::Connector,
    failure::{self, Step},
    interrupt::Sending,
    session::{GRACE, NO_ANSWER},
    slow::SlowStatements,
};
use crate::{
    database::Outcome,
    error::{Cause, StoreError},
    value::Value,
};

/// How long every lane has to be at something slow until statements are handed back instead of
/// waiting for one: a stumble of the machine is over by then. Also when a statement counts as slow
/// itself. Taste, as [`SLOW`].
pub(super) const HELD_UP: Duration = Duration::from_millis(25);

/// The handle; clones share the connections.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    lanes: Box<[Arc<Lane>]>,
    slow: Arc<SlowStatements>,
    /// Held by the first of those who wait for a place.
    turn: Mutex<()>,
    freed: Arc<Notify>,
    waiting: AtomicUsize,
    closed: AtomicBool,
}

/// What has become of a statement.
pub(super) enum Ran {
    Answered(Result<Outcome, StoreError>),
    /// It has had no effect, and these are its parameters: it needs a connection for itself.
    HandedBack(Vec<Value>),
}

/// Where a statement may go.
enum Choice {
    Lane(Place),
    /// Somewhere soon.
    Full,
    /// Nowhere soon.
    HeldUp,
}

impl Lanes {
    pub(super) fn new(connector: Arc<Connector>, slow: Arc<SlowStatements>) -> Self {
        let freed = Arc::new(Notify::new());
        let depth_max = connector.options.lane_depth;
        let lane = |_| Arc::new(Lane::new(depth_max, freed.clone()));
        Self(Arc::new(Shared {
            lanes: (0..connector.options.lanes).map(lane).collect(),
            connector,
            slow,
            turn: Mutex::new(()),
            freed,
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }))
    }

    /// Gives the first lane its connection.
    pub(super) fn begin_with(&self, connection: Connection) {
        if let Some(lane) = self.0.lanes.first() {
            lane.replace(Some(Arc::new(connection)));
        }
    }

    /// Runs a statement, on a lane that knows all that was committed until `as_of` if the lanes lead
    /// to a server that follows another.
    pub(super) async fn run(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        as_of: Option<Instant>,
    ) -> Ran {
        if self.0.slow.contains(sql) {
            return Ran::HandedBack(params);
        }
        match self.place(as_of).await {
            Ok(Some(place)) => self.run_at(place, sql, params).await,
            Ok(None) => Ran::HandedBack(params),
            Err(error) => Ran::Answered(Err(error)),
        }
    }

    /// Waits for a place, first come first served; `None` when the wait would be long.
    async fn place(&self, as_of: Option<Instant>) -> Result<Option<Place>, StoreError> {
        let shared = &self.0;
        if shared.closed.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if let Ok(_turn) = shared.turn.try_lock() {
            match self.choose(as_of) {
                Choice::Lane(place) => return Ok(Some(place)),
                Choice::HeldUp => return Ok(None),
                Choice::Full => {}
            }
        }
        let options = &shared.connector.options;
        let waiting = Waiting::enter(&shared.waiting);
        if waiting.before >= options.read_queue_max {
            return Err(StoreError::Overloaded(Cause::text("the queue is full")));
        }
        let choosing = async {
            let _turn = shared.turn.lock().await;
            loop {
                match self.choose(as_of) {
                    Choice::Lane(place) => return Some(place),
                    Choice::HeldUp => return None,
                    // Nobody tells when a lane becomes slow.
                    Choice::Full => drop(tokio::time::timeout(SLOW, shared.freed.notified()).await),
                }
            }
        };
        let chosen = tokio::time::timeout(options.queue_wait_max, choosing).await;
        let late = |_| StoreError::Overloaded(Cause::text("the queue moves too slowly"));
        chosen.map_err(late)
    }

    /// Chooses the lane that is not held up, is connected, and has the least to do.
    fn choose(&self, as_of: Option<Instant>) -> Choice {
        let shared = &self.0;
        let now = Instant::now();
        let is_fresh = |look: &Look| as_of.is_none_or(|as_of| look.fresh_as_of >= Some(as_of));
        let is_cut_off = |look: &Look| look.is_down && shared.connector.obstacle().is_some();
        let looks = shared.lanes.iter().map(|lane| (lane.look(now), lane));
        let best = looks.filter(|(look, _)| is_fresh(look)).min_by_key(|(look, _)| {
            (look.slow_for.is_some() || is_cut_off(look), look.is_down, look.load)
        });
        match best {
            None => Choice::HeldUp,
            Some((look, _)) if look.slow_for.is_some_and(|time| time > HELD_UP) => Choice::HeldUp,
            Some((look, lane)) if look.slow_for.is_none() && look.has_room => {
                Choice::Lane(lane.enter(now))
            }
            Some(_) => Choice::Full,
        }
    }

    async fn run_at(&self, place: Place, sql: &'static str, params: Vec<Value>) -> Ran {
        let (mut place, mut params) = (place, params);
        let connection = match self.connection(&place.lane, Connection::is_current).await {
            Ok(connection) => connection,
            Err(error) => return Ran::Answered(Err(error)),
        };
        let mut is_second = false;
        loop {
            let preparing = connection.sending();
            let prepared = match connection.prepare(sql).await {
                Ok(prepared) => prepared,
                Err(error) if is_for_elsewhere(&connection, &preparing, &error) => {
                    return Ran::HandedBack(params);
                }
                Err(error) => {
                    let error = connection.failed(&error, sql, Step::Prepare);
                    return Ran::Answered(Err(error));
                }
            };
            let sent = Sent::new(connection.clone(), place, sql, prepared, params);
            let answer = sent.await;
            let took = answer.place.answered();
            let error = match answer.result {
                Ok(outcome) => {
                    if took > HELD_UP + connection.round_trip() {
                        self.0.slow.insert(sql);
                    }
                    return Ran::Answered(Ok(outcome));
                }
                Err(error) => error,
            };
            (place, params) = (answer.place, answer.params);
            // It was refused before it ran, so it may be sent again.
            if failure::is_stale(&error) && !is_second {
                connection.forget(sql);
                is_second = true;
            } else if answer.is_mistaken || failure::is_locked(&error) {
                return Ran::HandedBack(params);
            } else {
                return Ran::Answered(Err(connection.failed(&error, sql, Step::Run)));
            }
        }
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
            let connection = Arc::new(shared.connector.connect(Purpose::Lane).await?);
            // Its last statement ends it.
            drop(lane.replace(Some(connection.clone())));
            if shared.closed.load(Ordering::Relaxed) {
                drop(lane.replace(None));
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
            if let Some(dead) = lane.take_stuck(stuck) {
                dead.abort(NO_ANSWER);
            }
            if !self.0.closed.load(Ordering::Relaxed) {
                // One that is merely old serves until another is there. Nobody waits for this, and
                // who needs it is told.
                let _ = self.connection(lane, Connection::is_fit).await;
            }
        }
    }

    /// Those that are open.
    pub(super) fn connections(&self) -> impl Iterator<Item = Arc<Connection>> {
        self.0.lanes.iter().filter_map(|lane| lane.connection(Connection::is_current))
    }

    /// How many statements are under way, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let now = Instant::now();
        let under_way = self.0.lanes.iter().map(|lane| lane.look(now).load).sum();
        (under_way, self.0.waiting.load(Ordering::Relaxed))
    }

    /// Refuses new statements, and returns when those that wait have been answered.
    pub(super) async fn close(&self) {
        let shared = &self.0;
        shared.closed.store(true, Ordering::Relaxed);
        // Behind everybody who waits already.
        let _turn = shared.turn.lock().await;
        while !shared.lanes.iter().all(|lane| lane.is_empty()) {
            // Two may end at once, and be told of as one.
            drop(tokio::time::timeout(SLOW, shared.freed.notified()).await);
        }
        for lane in &shared.lanes {
            drop(lane.replace(None));
        }
    }
}

/// Whether a statement that could not be prepared may be on a connection of its own.
fn is_for_elsewhere(connection: &Connection, sending: &Sending, error: &Error) -> bool {
    failure::is_locked(error) || connection.is_mistaken(sending, error)
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
