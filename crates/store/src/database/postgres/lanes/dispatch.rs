//! Statements through the lanes, and the connections behind them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{
    lane::{Lane, Place},
    queue::Queue,
    sent::Sent,
};
use crate::{
    database::{
        Outcome,
        postgres::{
            connection::{Connection, Purpose, closed},
            connector::Connector,
            failure::{self, Step},
            session::{GRACE, NO_ANSWER},
            slow::SlowStatements,
            statement::{Prepared, Unprepared},
        },
    },
    error::StoreError,
    value::Value,
};

/// The handle; clones share the connections.
#[derive(Clone)]
pub(in crate::database::postgres) struct Lanes(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    queue: Queue,
    slow: Arc<SlowStatements>,
    closed: AtomicBool,
}

/// What has become of a statement.
pub(in crate::database::postgres) enum Ran {
    Answered(Result<Outcome, StoreError>),
    /// It has had no effect, and these are its parameters: it needs a connection for itself.
    HandedBack(Vec<Value>),
}

impl Lanes {
    pub(in crate::database::postgres) fn new(
        connector: Arc<Connector>,
        slow: Arc<SlowStatements>,
    ) -> Self {
        let queue = Queue::new(&connector.options);
        Self(Arc::new(Shared { connector, queue, slow, closed: AtomicBool::new(false) }))
    }

    /// Gives the first lane its connection.
    pub(in crate::database::postgres) fn begin_with(&self, connection: Connection) {
        if let Some(lane) = self.0.queue.lanes.first() {
            lane.replace(Some(Arc::new(connection)));
        }
    }

    /// Runs a statement, on a lane that knows all that was committed until `as_of` if the lanes
    /// lead to a server that follows another. While every lane is held up it is handed back if
    /// there is room for it elsewhere.
    pub(in crate::database::postgres) async fn run(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        as_of: Option<Instant>,
        is_room_elsewhere: impl Fn() -> bool,
    ) -> Ran {
        if self.0.slow.contains(sql) {
            return Ran::HandedBack(params);
        }
        if self.0.closed.load(Ordering::Relaxed) {
            return Ran::Answered(Err(closed()));
        }
        let asked = Instant::now();
        match self.0.queue.place(&self.0.connector, asked, as_of, is_room_elsewhere).await {
            Ok(Some(place)) => self.run_at(place, asked, sql, params).await,
            Ok(None) => Ran::HandedBack(params),
            Err(error) => Ran::Answered(Err(error)),
        }
    }

    async fn run_at(
        &self,
        place: Place,
        asked: Instant,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Ran {
        // When it is known to be, until something is waited for.
        let mut now = place.entered;
        let (mut place, mut params) = (place, params);
        // What is rare in here is boxed: every read would hold the place.
        let connection = match place.lane.connection(Connection::is_current) {
            Some(connection) => connection,
            None => match Box::pin(self.connect(&place.lane, Connection::is_current)).await {
                Ok(connection) => {
                    now = Instant::now();
                    connection
                }
                Err(error) => return Ran::Answered(Err(error)),
            },
        };
        let mut is_second = false;
        loop {
            let prepared = match connection.prepared(sql) {
                Ok(prepared) => prepared,
                Err(Unprepared) => match Box::pin(prepare(&connection, sql)).await {
                    Ok(prepared) => {
                        now = Instant::now();
                        prepared
                    }
                    Err(NotPrepared::ForElsewhere) => return Ran::HandedBack(params),
                    Err(NotPrepared::Failed(error)) => return Ran::Answered(Err(error)),
                },
            };
            let sent = Sent::new(connection.clone(), place, sql, prepared, params, now);
            let mut answer = sent.await;
            now = Instant::now();
            let took = answer.place.answered(now);
            let error = match answer.result {
                Ok(outcome) => {
                    self.0.slow.note(sql, took.saturating_sub(connection.round_trip()));
                    let waited = (now - asked).saturating_sub(took);
                    return Ran::Answered(Ok(Outcome { waited, ..outcome }));
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

    /// Opens the lane's connection, unless there is one by then that is acceptable.
    async fn connect(
        &self,
        lane: &Arc<Lane>,
        accept: fn(&Connection) -> bool,
    ) -> Result<Arc<Connection>, StoreError> {
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
    pub(in crate::database::postgres) async fn keep_up(&self) {
        let stuck = self.0.connector.options.statement_timeout + GRACE;
        for lane in &self.0.queue.lanes {
            if let Some(dead) = lane.take_stuck(stuck) {
                dead.abort(NO_ANSWER);
            }
            if !self.0.closed.load(Ordering::Relaxed) {
                // One that is merely old serves until another is there. Nobody waits for this, and
                // who needs it is told.
                if lane.connection(Connection::is_fit).is_none() {
                    let _ = self.connect(lane, Connection::is_fit).await;
                }
            }
        }
    }

    /// Those that are open.
    pub(in crate::database::postgres) fn connections(
        &self,
    ) -> impl Iterator<Item = Arc<Connection>> {
        self.0.queue.lanes.iter().filter_map(|lane| lane.connection(Connection::is_current))
    }

    /// How many statements are under way, and how many wait.
    pub(in crate::database::postgres) fn load(&self) -> (usize, usize) {
        self.0.queue.load()
    }

    /// Refuses new statements, and returns when those that wait have been answered.
    pub(in crate::database::postgres) async fn close(&self) {
        let shared = &self.0;
        shared.closed.store(true, Ordering::Relaxed);
        shared.queue.emptied().await;
        for lane in &shared.queue.lanes {
            drop(lane.replace(None));
        }
    }
}

/// Why a statement was not prepared.
enum NotPrepared {
    /// It may be on a connection of its own.
    ForElsewhere,
    Failed(StoreError),
}

async fn prepare(
    connection: &Connection,
    sql: &'static str,
) -> Result<Option<Prepared>, NotPrepared> {
    let preparing = connection.sending(Instant::now());
    connection.prepare(sql).await.map_err(|error| {
        if failure::is_locked(&error) || connection.is_mistaken(&preparing, &error) {
            NotPrepared::ForElsewhere
        } else {
            NotPrepared::Failed(connection.failed(&error, sql, Step::Prepare))
        }
    })
}
