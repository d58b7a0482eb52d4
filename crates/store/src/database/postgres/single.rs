//! A single statement on a connection of the pool: what no lane may wait for.

use std::time::{Duration, Instant};

use super::{
    connection::{Connection, closed},
    failure::{self, Step},
    pool::Pool,
    session::{GRACE, NO_ANSWER},
    slow::SlowStatements,
};
use crate::{database::Outcome, error::StoreError, value::Value};

/// Runs it to its end, or cancels it when the future is dropped.
pub(super) async fn run(
    pool: &Pool,
    slow: &SlowStatements,
    sql: &'static str,
    params: &[Value],
) -> Result<Outcome, StoreError> {
    let options = pool.options();
    let asked = Instant::now();
    let mut lease = pool.acquire(asked + options.acquire_timeout).await?;
    let waited = asked.elapsed();
    lease.soil();
    let connection = lease.connection().ok_or_else(closed)?;
    let patience = options.statement_timeout + GRACE;
    let running = tokio::time::timeout(patience, run_on(connection, sql, params));
    let Ok((result, took)) = running.await else {
        return Err(StoreError::TimedOut(failure::lost(sql, NO_ANSWER)));
    };
    if result.is_ok() {
        slow.note(sql, took);
    }
    lease.clean();
    result.map(|outcome| Outcome { waited, ..outcome })
}

async fn run_on(
    connection: &Connection,
    sql: &'static str,
    params: &[Value],
) -> (Result<Outcome, StoreError>, Duration) {
    let mut is_second = false;
    loop {
        let prepared = match connection.prepare(sql).await {
            Ok(prepared) => prepared,
            Err(error) => {
                return (Err(connection.failed(&error, sql, Step::Prepare)), Duration::ZERO);
            }
        };
        let begun = Instant::now();
        let result = connection.run_alone(sql, prepared.as_ref(), params).await;
        let took = begun.elapsed().saturating_sub(connection.round_trip());
        match result {
            // It was refused before it ran, so it may be sent again.
            Err(error) if failure::is_stale(&error) && !is_second => {
                connection.forget(sql);
                is_second = true;
            }
            result => {
                let result = result.map_err(|error| connection.failed(&error, sql, Step::Run));
                return (result, took);
            }
        }
    }
}
