//! A migration of one statement that cannot run in a transaction: `CREATE INDEX CONCURRENTLY`.
//!
//! It is done and then recorded; a crash between the two, or in the middle of it, is made good by
//! the next run: an index that was left half built is dropped first.

use std::time::Duration;

use mainstay_core::{Clock, SystemClock};

use super::{
    MigrationReport, MigrationState,
    file::Migration,
    lint::Outside,
    postgres::{Done, LOCK_KEY, Step, read_records, record_sql},
    run::label,
};
use crate::database::Connection;

/// Between two looks whether another process is done: it builds an index, so it takes seconds.
const POLL: Duration = Duration::from_millis(200);

/// Applies it, one process at a time.
pub(super) async fn apply(
    connection: &Connection,
    report: MigrationReport,
    file: &Migration,
    statement: &Outside,
) -> Result<Done, Step> {
    let client = connection.client();
    // The statement waits for every transaction that is older, and so for one that waits for an
    // advisory lock: this lock is another one than that of the transactions, and asked for in none.
    let key = LOCK_KEY + 1;
    loop {
        let asked = format!("SELECT 1 WHERE pg_try_advisory_lock({key})");
        if has_row(connection, &asked).await? {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    let done = run(connection, report, file, statement).await;
    // Where this fails the connection is gone, and the lock with it.
    let _ = client.batch_execute(&format!("SELECT pg_advisory_unlock({key})")).await;
    done
}

async fn run(
    connection: &Connection,
    mut report: MigrationReport,
    file: &Migration,
    statement: &Outside,
) -> Result<Done, Step> {
    let client = connection.client();
    if read_records(connection).await?.contains_key(&report.number) {
        return Ok(Done::Elsewhere);
    }
    // With a limit it would be given up half done.
    client.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await?;
    if let Some(index) = &statement.index {
        let name = index.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
        let name = name.collect::<Vec<_>>().join(".");
        let half_built = format!(
            "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('{}') AND NOT indisvalid",
            name.replace('\'', "''")
        );
        if has_row(connection, &half_built).await? {
            client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
        }
    }
    let applied = client.batch_execute(file.sql()).await;
    applied.map_err(|error| Step::Sql(label(&report), error))?;
    let at = SystemClock::new().now();
    client.batch_execute(&format!("BEGIN; {}; COMMIT", record_sql(&report, at))).await?;
    report.state = MigrationState::Applied { at };
    Ok(Done::Applied(report))
}

async fn has_row(connection: &Connection, sql: &str) -> Result<bool, Step> {
    let answer = connection.client().simple_query(sql).await?;
    let is_row = |message| matches!(message, &tokio_postgres::SimpleQueryMessage::Row(_));
    Ok(answer.iter().any(is_row))
}
