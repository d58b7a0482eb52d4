//! What a database says about itself, for whoever looks for trouble before it comes.

use std::time::Duration;

use mainstay_core::Timestamp;

use super::{Database, Engine, handle::Inner};
use crate::{
    error::StoreError,
    row::{FromRow, Row},
};

/// What a database says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// `3.51.0`, `15.6`
    pub version: String,
    /// `None` for an embedded database: it is as much of the machine as the process.
    pub server: Option<Server>,
}

/// What only a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server's clock, while it answered.
    pub clock: Timestamp,
    /// `max_connections`
    pub connections_max: i64,
    /// Those of them that only superusers and members of `pg_use_reserved_connections` get.
    pub connections_reserved: i64,
    /// Those in use, ours included.
    pub connections_used: i64,
    /// Whether our own connection is encrypted.
    pub is_encrypted: bool,
    /// Whether our own connection came over the network.
    pub is_remote: bool,
    /// It follows another server and takes no writes.
    pub is_standby: bool,
}

/// A pooler between this process and the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// It does not show what it is set to, and says why.
    Opaque(String),
    /// It does.
    PgBouncer(PgBouncer),
}

/// What PgBouncer is set to, for the database and the user of this process. A time limit of `None`
/// is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgBouncer {
    /// `session`, `transaction` or `statement`.
    pub pool_mode: String,
    /// `max_client_conn`
    pub clients_max: i64,
    /// Sessions of the server in the pool that this process uses: its size and its reserve.
    pub pool_max: i64,
    /// Sessions in all pools that lead to the same server, as far as they are in use or written
    /// down.
    pub servers_max: i64,
    /// `max_prepared_statements`; 0 also where it is too old to know it.
    pub prepared_statements_max: i64,
    /// How long a query may wait for a session before its client is cut off.
    pub query_wait_timeout: Option<Duration>,
    /// How long a query may take before its client is cut off.
    pub query_timeout: Option<Duration>,
    /// How long a client may be silent before it is cut off.
    pub client_idle_timeout: Option<Duration>,
    /// How long a client may be silent in a transaction before it is cut off.
    pub idle_transaction_timeout: Option<Duration>,
    /// How long a transaction may take before its client is cut off.
    pub transaction_timeout: Option<Duration>,
}

/// `reserved_connections` exists from PostgreSQL 16 on.
const SERVER: &str = "SELECT clock_timestamp() AS clock, \
    current_setting('server_version') AS version, \
    current_setting('max_connections')::bigint AS connections_max, \
    current_setting('superuser_reserved_connections')::bigint \
        + coalesce(current_setting('reserved_connections', true)::bigint, 0) AS reserved, \
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used, \
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted, \
    coalesce(host(inet_server_addr()), '') NOT IN ('', '127.0.0.1', '::1') AS remote, \
    pg_is_in_recovery() AS standby";

impl FromRow for Diagnosis {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let server = Server {
            clock: row.get("clock")?,
            connections_max: row.get("connections_max")?,
            connections_reserved: row.get("reserved")?,
            connections_used: row.get("used")?,
            is_encrypted: row.get("encrypted")?,
            is_remote: row.get("remote")?,
            is_standby: row.get("standby")?,
        };
        Ok(Self { version: row.get("version")?, server: Some(server) })
    }
}

impl Database {
    /// Asks the database about itself: one round trip.
    pub async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        match self.engine() {
            Engine::Sqlite => {
                let (version,) = self.query_one("SELECT sqlite_version()", Vec::new()).await?;
                Ok(Diagnosis { version, server: None })
            }
            Engine::Postgres => self.query_one(SERVER, Vec::new()).await,
        }
    }
    /// Looks at the pooler in between; `None` where there is none.
    ///
    /// PgBouncer shows its settings to the users in its `stats_users` and `admin_users`.
    pub async fn pooler(&self) -> Result<Option<Pooler>, StoreError> {
        match self.inner() {
            Inner::Sqlite(_) => Ok(None),
            Inner::Postgres(postgres) => postgres.pooler().await,
        }
    }
}
