//! An interactive transaction on a connection of its own.

use std::time::{Duration, Instant};

use mainstay_core::Work;

use super::{
    connection::{Connection, closed},
    failure::{self, Step},
    keyword::{self, Access},
    lease::Lease,
    pool::Pool,
};
use crate::{
    database::{DatabaseOptions, Outcome},
    error::{Cause, StoreError},
    value::Value,
};

/// What the server's own time limit may be late by before it is not believed to come: a scheduler's
/// hiccup and a round trip.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// What an opened transaction may at least take, however long the wait for a connection was: a few
/// hundred round trips.
const BEGIN_MIN: Duration = Duration::from_millis(250);

pub(super) const NO_ANSWER: &str = "no answer in time";

/// Connections that may turn out dead before a transaction is given up. Those that idle die
/// together, and a new one follows them.
const DEAD_MAX: usize = 3;

/// The caller's end of a transaction.
pub(crate) struct PostgresTransaction {
    lease: Lease,
    limits: Limits,
    begun: Instant,
    /// When the last answer came.
    answered: Instant,
    /// A statement failed, or its future was dropped.
    doomed: bool,
}

#[derive(Clone, Copy)]
struct Limits {
    statement: Duration,
    idle: Duration,
    whole: Duration,
}

impl PostgresTransaction {
    pub(super) async fn begin(pool: &Pool, options: &DatabaseOptions) -> Result<Self, StoreError> {
        let limits = Limits {
            statement: options.statement_timeout,
            idle: options.transaction_idle_timeout,
            whole: options.transaction_timeout,
        };
        let deadline = Instant::now() + options.acquire_timeout;
        let mut failure = closed();
        for _ in 0..DEAD_MAX {
            let mut lease = pool.acquire(deadline).await?;
            lease.soil();
            let left = deadline.saturating_duration_since(Instant::now()).max(BEGIN_MIN);
            match begin_on(&lease, left).await {
                Ok(()) => {
                    lease.rest();
                    let now = Instant::now();
                    return Ok(Self { lease, limits, begun: now, answered: now, doomed: false });
                }
                // It has done nothing, so it may be done again.
                Err(error)
                    if lease.connection().is_none_or(|connection| !connection.is_open())
                        && Instant::now() < deadline =>
                {
                    failure = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.refuse_doomed()?;
        // Until it has been answered, and for good if this future is dropped before.
        self.doomed = true;
        keyword::check(sql, Access::Transaction)?;
        let left = self.left()?;
        self.lease.soil();
        let connection = self.lease.connection().ok_or_else(closed)?;
        let running = tokio::time::timeout(left, run_on(connection, sql, &params));
        let Ok(result) = running.await else {
            return Err(StoreError::TimedOut(failure::lost(sql, NO_ANSWER)));
        };
        self.lease.rest();
        self.answered = Instant::now();
        self.doomed = result.is_err();
        result
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.refuse_doomed()?;
        self.left()?;
        self.end("COMMIT").await
    }

    pub(crate) async fn rollback(mut self) -> Result<(), StoreError> {
        if self.lease.is_busy() {
            // The drop of the lease would do it as well, and tell nobody when.
            self.lease.heal().await;
            return Ok(());
        }
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.lease.soil();
        let connection = self.lease.connection().ok_or_else(closed)?;
        let ending = connection.command(sql);
        let patience = self.limits.statement + GRACE;
        match tokio::time::timeout(patience, ending).await {
            Ok(result) => {
                // An error ends the transaction as well.
                self.lease.clean();
                result
            }
            Err(_) => Err(StoreError::Unavailable(failure::lost(sql, NO_ANSWER))),
        }
    }

    /// How long the next statement may take.
    fn left(&self) -> Result<Duration, StoreError> {
        let out_of_time = || {
            StoreError::TimedOut(Cause::text(
                "the transaction was rolled back: it was idle or open for too long",
            ))
        };
        if self.answered.elapsed() >= self.limits.idle {
            return Err(out_of_time());
        }
        let whole = self.limits.whole.checked_sub(self.begun.elapsed());
        Ok(whole.ok_or_else(out_of_time)?.min(self.limits.statement + GRACE))
    }

    fn refuse_doomed(&self) -> Result<(), StoreError> {
        if !self.doomed {
            return Ok(());
        }
        Err(StoreError::Internal(Cause::text(
            "a statement of the transaction has failed or was dropped; only rollback works",
        )))
    }
}

async fn begin_on(lease: &Lease, patience: Duration) -> Result<(), StoreError> {
    let connection = lease.connection().ok_or_else(closed)?;
    let mut limits = connection.mode().limits;
    // No statement is of use to anybody for longer.
    limits.statement = limits.statement.min(Work::time_left().unwrap_or(Duration::MAX));
    if let Ok(result) = tokio::time::timeout(patience, connection.begin(&limits)).await {
        return result;
    }
    // Nobody knows what is on the other side; the next try gets another connection.
    connection.abort(NO_ANSWER);
    Err(StoreError::Unavailable(failure::lost("BEGIN", NO_ANSWER)))
}

async fn run_on(
    connection: &Connection,
    sql: &'static str,
    params: &[Value],
) -> Result<Outcome, StoreError> {
    let prepared = connection.prepare(sql).await;
    let prepared = prepared.map_err(|error| connection.failed(&error, sql, Step::Prepare))?;
    let result = connection.run(sql, prepared.as_ref(), params).await;
    result.map_err(|error| {
        if failure::is_stale(&error) {
            connection.forget(sql);
        }
        connection.failed(&error, sql, Step::Run)
    })
}
