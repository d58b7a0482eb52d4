//! The handle of the engine: lanes for single reads, the pool for everything else, and the tasks
//! that look after both.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    connection::{Connection, Purpose, closed},
    connector::Connector,
    console,
    keyword::{self, Access},
    lanes::{Lanes, Ran},
    opening,
    pool::Pool,
    replica::Replica,
    session::PostgresTransaction,
    single,
    slow::SlowStatements,
};
use crate::{
    database::{Connections, DatabaseOptions, Outcome, Pooler, PostgresFigures},
    error::{OpenError, StoreError},
    value::Value,
};

/// Between two looks at the connections: a quarter of the shortest time limit that is kept by
/// looking (one second beyond a statement's), and nothing for an idle process.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// How long the health check waits: an orchestrator's usual limit for one.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// The handle; clones share the connections, which end with the last of them.
#[derive(Clone)]
pub(crate) struct Postgres(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    lanes: Lanes,
    pool: Pool,
    slow: Arc<SlowStatements>,
    replica: Option<Replica>,
    closed: tokio::sync::watch::Sender<bool>,
}

impl Postgres {
    /// Connects once before it returns, so that a bad address is known at the start.
    pub(crate) async fn open(
        url: &str,
        shown: &str,
        options: DatabaseOptions,
    ) -> Result<Self, OpenError> {
        let replica = options.replica.as_ref().map(|url| opening::replica(url, &options));
        let replica = replica.transpose()?.map(Replica::new);
        let connector = opening::primary(url, shown, &options)?;
        let first = connector
            .establish(Purpose::Lane)
            .await
            .map_err(|error| opening::failed(shown, &error))?;
        let pool = Pool::new(connector.clone());
        let slow = Arc::<SlowStatements>::default();
        let lanes = Lanes::new(connector.clone(), slow.clone());
        lanes.begin_with(first);
        let closed = tokio::sync::watch::Sender::new(false);
        let shared = Arc::new(Shared { connector, lanes, pool, slow, replica, closed });
        tokio::spawn(look_after(Arc::downgrade(&shared)));
        if shared.replica.is_some() {
            tokio::spawn(look_after_replica(Arc::downgrade(&shared)));
        }
        Ok(Self(shared))
    }

    pub(crate) async fn read(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        keyword::check(sql, Access::Read)?;
        let is_room = || self.0.pool.has_room();
        match self.0.lanes.run(sql, params, None, is_room).await {
            Ran::Answered(result) => result,
            // Boxed, because few reads come here and every one would hold the place.
            Ran::HandedBack(params) => Box::pin(self.run_alone(sql, &params)).await,
        }
    }

    /// A read that may miss what was committed in the last `at_most`.
    pub(crate) async fn read_stale(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        at_most: Duration,
    ) -> Result<Outcome, StoreError> {
        keyword::check(sql, Access::Read)?;
        if let Some(replica) = &self.0.replica
            && let Some(outcome) = replica.read(sql, &params, at_most).await
        {
            return Ok(outcome);
        }
        self.read(sql, params).await
    }

    pub(crate) async fn write(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        keyword::check(sql, Access::Write)?;
        // Its commit waits for the disk, and everybody behind it on a lane would too; the server
        // makes commits durable together that are on connections of their own.
        self.run_alone(sql, &params).await
    }

    async fn run_alone(&self, sql: &'static str, params: &[Value]) -> Result<Outcome, StoreError> {
        single::run(&self.0.pool, &self.0.slow, sql, params).await
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        PostgresTransaction::begin(&self.0.pool, &self.0.connector.options).await
    }

    /// A connection outside lanes and pool, for work that needs one for itself. Its statements have
    /// the time limits of the options until they are set otherwise.
    pub(crate) async fn exclusive(&self) -> Result<Connection, StoreError> {
        if *self.0.closed.borrow() {
            return Err(closed());
        }
        let connected = self.0.connector.establish(Purpose::Exclusive).await;
        connected.map_err(|error| StoreError::Unavailable(error.into()))
    }

    /// Whether each transaction on the connection may run in another session of the server.
    pub(crate) fn is_pooled(connection: &Connection) -> bool {
        connection.mode().pooled
    }

    /// What the pooler in between shows of itself; `None` where the server itself answers.
    pub(crate) async fn pooler(&self) -> Result<Option<Pooler>, StoreError> {
        if !Self::is_pooled(&self.exclusive().await?) {
            return Ok(None);
        }
        Ok(Some(console::look(&self.0.connector).await))
    }

    /// Refuses new work, and returns when what waited has been answered and the connections are
    /// closed.
    pub(crate) async fn close(&self) {
        self.0.closed.send_replace(true);
        // What a lane hands back is for the pool.
        self.0.lanes.close().await;
        self.0.pool.close().await;
        if let Some(replica) = &self.0.replica {
            replica.close().await;
        }
    }

    /// What there is and who has it.
    pub(crate) fn connections(&self) -> Connections {
        let (lanes_busy, lanes_waiting) = self.0.lanes.load();
        Connections { lanes_busy, lanes_waiting, ..self.0.pool.connections() }
    }

    /// The same, and what the pool counts.
    pub(crate) fn figures(&self) -> PostgresFigures {
        let figures = self.0.pool.figures();
        let (lanes_busy, lanes_waiting) = self.0.lanes.load();
        let connections = Connections { lanes_busy, lanes_waiting, ..figures.connections };
        PostgresFigures { connections, ..figures }
    }

    /// Asks the server on a connection of its own: queues say how busy it is, not whether it works.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        if *self.0.closed.borrow() {
            return Err("the database was closed".to_owned());
        }
        let asking = async {
            let connected = self.0.connector.establish(Purpose::Exclusive).await;
            let connection = connected.map_err(|error| error.to_string())?;
            let answers = connection.is_idle().await;
            answers.then_some(()).ok_or_else(|| "the database does not answer a query".to_owned())
        };
        let late = || Err("the database does not answer within a second".to_owned());
        tokio::time::timeout(PROBE_MAX, asking).await.unwrap_or_else(|_| late())
    }
}

/// Keeps the connections as the options say, until the engine is closed or nobody has it any more.
async fn look_after(engine: Weak<Shared>) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        engine.pool.keep_up();
        engine.lanes.keep_up().await;
    }
}

/// In a task of its own: a replica that does not answer is nothing to the primary.
async fn look_after_replica(engine: Weak<Shared>) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else { return };
        let Some(replica) = engine.replica.as_ref().filter(|_| !*engine.closed.borrow()) else {
            return;
        };
        replica.keep_up(&engine.lanes).await;
    }
}
