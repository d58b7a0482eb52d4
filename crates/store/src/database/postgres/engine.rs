//! The handle of the engine: lanes for single statements, the pool for transactions, and the task
//! that looks after both.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    address::Address,
    connection::{Connection, closed},
    connector::{ConnectError, Connector, Reason},
    console,
    keyword::Access,
    lanes::Lanes,
    pool::Pool,
    session::PostgresTransaction,
};
use crate::{
    database::{DatabaseOptions, Outcome, Pooler},
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
    closed: tokio::sync::watch::Sender<bool>,
}

impl Postgres {
    /// Connects once before it returns, so that a bad address is known at the start.
    pub(crate) async fn open(
        url: &str,
        shown: &str,
        options: DatabaseOptions,
    ) -> Result<Self, OpenError> {
        let address = Address::parse(url, &options).map_err(|wrong| {
            OpenError::new(
                format!("cannot open {shown}"),
                wrong,
                "Correct DATABASE_URL: `postgres://user:password@host:port/name?option=value`.",
            )
        })?;
        let connector = Arc::new(Connector::new(address, options));
        let first = connector.establish().await.map_err(|error| explain(shown, &error))?;
        let pool = Pool::new(connector.clone());
        let lanes = Lanes::new(connector.clone());
        lanes.begin_with(first);
        let closed = tokio::sync::watch::Sender::new(false);
        let shared = Arc::new(Shared { connector, lanes, pool, closed });
        tokio::spawn(look_after(Arc::downgrade(&shared)));
        Ok(Self(shared))
    }

    pub(crate) async fn read(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.0.lanes.run(sql, params, Access::Read).await
    }

    pub(crate) async fn write(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.0.lanes.run(sql, params, Access::Write).await
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
        let connected = self.0.connector.establish().await;
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
        tokio::join!(self.0.lanes.close(), self.0.pool.close());
    }

    /// Asks the server on a connection of its own: queues say how busy it is, not whether it works.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        if *self.0.closed.borrow() {
            return Err("the database was closed".to_owned());
        }
        let asking = async {
            let connection = self.0.connector.establish().await.map_err(|e| e.to_string())?;
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

fn explain(shown: &str, error: &ConnectError) -> OpenError {
    let fix = match error.reason {
        Reason::Dns => "Check the host in DATABASE_URL, and the resolver of this machine.",
        Reason::Refused => "Start the server, or correct host and port in DATABASE_URL.",
        Reason::TimedOut => "Check that host and port are right and no firewall is in between.",
        Reason::Tls => "Check `sslmode` and `sslrootcert` in DATABASE_URL, and the certificate.",
        Reason::Auth => "Check user and password in DATABASE_URL, and the server's pg_hba.conf.",
        Reason::NoDatabase => "Create the database, or correct its name in DATABASE_URL.",
        Reason::Full => "Raise the server's max_connections, or lower `pool_max` and `lanes`.",
        Reason::NotReady => "Wait until the server is ready, and start again.",
        Reason::WrongSession => "Check `target_session_attrs` and the hosts in DATABASE_URL.",
        Reason::Broken => "Check that a PostgreSQL server is at this address, and its log.",
    };
    let why = format!("{}: {} ({})", error.place, error.reason, error.detail);
    OpenError::new(format!("cannot open {shown}"), why, fix)
}
