//! How the database is used: sizes and time limits, each with its reason.

use std::time::Duration;

use super::DatabaseUrl;
use crate::error::OpenError;

/// How a statement travels to PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementMode {
    /// Named, unless the connection leads to a pooler such as PgBouncer: then the process id in the
    /// connection's cancellation key is not the one the server reports.
    #[default]
    Auto,
    /// Prepared once for each connection and kept there: the fastest. Behind a pooler in
    /// transaction mode only if it keeps track of prepared statements (PgBouncer from 1.21 on, with
    /// `max_prepared_statements`).
    Named,
    /// Prepared anew each time, in the same round trip. Works behind every pooler.
    Unnamed,
}

/// Bounds of the database. The defaults suit one service on a small machine.
///
/// Those that name PostgreSQL are for it alone. Queues and the time limits of statements and
/// transactions are for both engines, and the rest is for the embedded database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// Threads that read. 2: measured at 190,000 point reads/s on two cores, twice that of one
    /// reader; a reader is idle while a request is in Rust, so more help only with slow queries.
    pub readers: usize,
    /// Reads that may wait. 1,024: at the measured rate the last of them waits some 5 ms.
    pub read_queue_max: usize,
    /// Writes and transactions that may wait. 1,024: at 150,000 group-committed inserts/s the last
    /// one waits 7 ms, at a slow disk's 10 ms per commit with [`batch_max`](Self::batch_max) 40 ms.
    pub write_queue_max: usize,
    /// The longest wait in a queue before the statement is given up unstarted. 2 s: the acquire
    /// timeout that connection pools use, and below common request deadlines.
    pub queue_wait_max: Duration,
    /// Statements and transactions that share one durable commit. 256: measured at 160,000
    /// inserts/s against 152,000 with 64 and 11,500 with 1; beyond it only latency grows.
    pub batch_max: usize,
    /// How long to wait for a lock: that of another *process* that writes the same file, or on
    /// PostgreSQL of another transaction. 5 s: longer than this crate's own transactions may take,
    /// so two instances wait for each other.
    pub busy_timeout: Duration,
    /// The longest a statement may run. 5 s: below usual request deadlines of 10 to 30 s; a
    /// statement on indexed data takes microseconds.
    pub statement_timeout: Duration,
    /// The longest an open transaction may wait for its next statement. 1 s: the embedded engine
    /// has one writer, so a stalled transaction stalls every write of the service.
    pub transaction_idle_timeout: Duration,
    /// The longest a transaction may be open. 5 s, for the same reason.
    pub transaction_timeout: Duration,
    /// Page cache of each connection, filled as pages are used. 4 MiB: three connections stay
    /// within the 40 MB a service may use under load; the operating system caches the file anyway.
    pub cache_bytes: usize,
    /// PostgreSQL: connections for writes, transactions and slow reads, at most. 1 or more; 20:
    /// PostgreSQL is fastest with few times its cores, and five processes fit into its default of
    /// 100 connections.
    pub pool_max: usize,
    /// PostgreSQL: those of them that stay open when nobody needs them. 0 to
    /// [`pool_max`](Self::pool_max); 1: the first write after a pause need not connect.
    pub pool_min_idle: usize,
    /// PostgreSQL: how long a connection beyond [`pool_min_idle`](Self::pool_min_idle) may be
    /// unused. 30 s: a burst's connections outlive the next burst, and not the quiet after it.
    pub idle_timeout: Duration,
    /// PostgreSQL: the longest wait for a connection before anything is given up unstarted.
    /// 2 s, as [`queue_wait_max`](Self::queue_wait_max).
    pub acquire_timeout: Duration,
    /// PostgreSQL: the longest one address may take to answer, TLS and log-in included. 2 s: a
    /// handshake takes milliseconds, and two lost packets are resent within it.
    pub connect_timeout: Duration,
    /// PostgreSQL: the age at which a connection is replaced, less up to a tenth at random. 30 min:
    /// frees what a server process gathers, and follows a changed DNS record.
    pub max_lifetime: Duration,
    /// PostgreSQL: connections that all single reads share, pipelined. 1 or more; 4: measured on
    /// two cores with 64 callers, 90,000 point reads/s at 7 us of CPU each, where 2 had 81,000 at
    /// 10 us, and 6 no more than 4. A slow statement holds up its lane, so more help with slow
    /// statements.
    pub lanes: usize,
    /// PostgreSQL: statements under way on each lane, at most; more wait, up to
    /// [`read_queue_max`](Self::read_queue_max) of them. 1 or more; 64: taste. A server is
    /// done with as many quick ones within a millisecond.
    pub lane_depth: usize,
    /// PostgreSQL: how statements travel.
    pub statement_mode: StatementMode,
    /// PostgreSQL: a server that follows the primary, for reads that allow it
    /// ([`Database::bounded_staleness`](super::Database::bounded_staleness)). It has as many lanes
    /// as the primary and no pool, and may be away.
    pub replica: Option<DatabaseUrl>,
    /// PostgreSQL: what the server shows in `pg_stat_activity`, unless the address says another. At
    /// most 63 bytes are kept by the server.
    pub application_name: String,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            read_queue_max: 1024,
            write_queue_max: 1024,
            queue_wait_max: Duration::from_secs(2),
            batch_max: 256,
            busy_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            transaction_idle_timeout: Duration::from_secs(1),
            transaction_timeout: Duration::from_secs(5),
            cache_bytes: 4 << 20,
            pool_max: 20,
            pool_min_idle: 1,
            idle_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            max_lifetime: Duration::from_mins(30),
            lanes: 4,
            lane_depth: 64,
            statement_mode: StatementMode::Auto,
            replica: None,
            application_name: "mainstay".to_owned(),
        }
    }
}

impl DatabaseOptions {
    /// Refuses sizes of zero: nothing would ever be answered.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let sizes = [
            ("readers", self.readers),
            ("read_queue_max", self.read_queue_max),
            ("write_queue_max", self.write_queue_max),
            ("batch_max", self.batch_max),
            ("pool_max", self.pool_max),
            ("lanes", self.lanes),
            ("lane_depth", self.lane_depth),
        ];
        if self.pool_min_idle > self.pool_max {
            return Err(OpenError::new(
                "the database is misconfigured",
                format!(
                    "`pool_min_idle` is {}, more than the {} of `pool_max`",
                    self.pool_min_idle, self.pool_max
                ),
                "Lower `pool_min_idle`, or raise `pool_max`.",
            ));
        }
        match sizes.into_iter().find(|(_, size)| *size == 0) {
            Some((name, _)) => Err(OpenError::new(
                "the database is misconfigured",
                format!("`{name}` is 0, so no statement would ever be answered"),
                format!("Set `{name}` to at least 1, or leave it out for the default."),
            )),
            None => Ok(()),
        }
    }
}
