//! How the database is used: sizes and time limits, each with its reason.

use std::time::Duration;

use crate::error::OpenError;

/// Bounds of the embedded database. The defaults suit one service on a small machine.
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
    /// How long to wait for another *process* that holds the write lock. 5 s: longer than this
    /// crate's own transactions may take, so two instances beside one file wait for each other.
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
        ];
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
