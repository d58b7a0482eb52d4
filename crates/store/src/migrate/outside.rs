//! A migration of one statement that cannot run in a transaction: `CREATE INDEX CONCURRENTLY`.
//!
//! It is done and then recorded. An end in the middle of it, or between the two, is made good by
//! the next run: it finds a table that says that the statement was begun, drops an index that was
//! left half built, and takes the server's "that is done already" for an answer.

use std::time::Duration;

use mainstay_core::{Clock, SystemClock};
use tokio_postgres::{Error, error::SqlState};

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::Migration,
    lint::Outside,
    postgres::{Done, LOCK_KEY, Scope, Step, read_records, record_sql, watch_us},
    run::label,
};
use crate::{
    database::{Connection, Postgres},
    error::Explanation,
};

/// Between two looks whether another process is done: it builds an index, so it takes seconds.
const POLL: Duration = Duration::from_millis(200);

/// Whether the first pending migration was begun by a process that has not come to its end.
const IS_BEGUN: &str = "SELECT 1 WHERE to_regclass('mainstay_migration_begun') IS NOT NULL";

/// Says so. It holds nothing, and is gone with the record.
const BEGIN: &str = "CREATE TABLE mainstay_migration_begun ()";
const END: &str = "DROP TABLE IF EXISTS mainstay_migration_begun";

/// Applies it, one process at a time.
pub(super) async fn apply(
    connection: &Connection,
    report: MigrationReport,
    file: &Migration,
    statement: &Outside,
) -> Result<Done, Step> {
    if Postgres::is_pooled(connection) {
        return Err(Step::Refused(through_a_pooler(&report)));
    }
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

/// The lock and the limits are a session's, and a pooler may have another one for each statement:
/// nobody would find the lock again to give it back.
fn through_a_pooler(report: &MigrationReport) -> MigrateError {
    MigrateError::Refused(Explanation {
        what: format!("{} was not applied", label(report)),
        why: "it runs outside a transaction, and a pooler is between here and the server"
            .to_owned(),
        fix: "Run `migrate up` with DATABASE_URL set to the server's own address.".to_owned(),
    })
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
    let limits =
        format!("SET lock_timeout = 0; SET statement_timeout = 0; {}", watch_us(Scope::Session));
    client.batch_execute(&limits).await?;
    let again = has_row(connection, IS_BEGUN).await?;
    if !again {
        client.batch_execute(BEGIN).await?;
    }
    drop_half_built(connection, statement).await?;
    match client.batch_execute(file.sql()).await {
        Err(error) if !(again && is_done_already(statement, &error)) => {
            // It was not cut off, so what is found next time is not its doing. Where this fails the
            // connection is gone, and so was the statement's.
            let _ = client.batch_execute(END).await;
            return Err(Step::Sql(label(&report), error));
        }
        _ => {}
    }
    let at = SystemClock::new().now();
    client.batch_execute(&format!("BEGIN; {}; {END}; COMMIT", record_sql(&report, at))).await?;
    report.state = MigrationState::Applied { at };
    Ok(Done::Applied(report))
}

async fn drop_half_built(connection: &Connection, statement: &Outside) -> Result<(), Step> {
    let Some(index) = &statement.index else { return Ok(()) };
    let name = index.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    let name = name.collect::<Vec<_>>().join(".");
    let half_built = format!(
        "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('{}') AND NOT indisvalid",
        name.replace('\'', "''")
    );
    if has_row(connection, &half_built).await? {
        connection.client().batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
    }
    Ok(())
}

/// The index is there, or what is to be dropped is not.
fn is_done_already(statement: &Outside, error: &Error) -> bool {
    let done = match statement.index {
        Some(_) => SqlState::DUPLICATE_TABLE,
        None => SqlState::UNDEFINED_OBJECT,
    };
    error.code() == Some(&done)
}

async fn has_row(connection: &Connection, sql: &str) -> Result<bool, Step> {
    let answer = connection.client().simple_query(sql).await?;
    let is_row = |message| matches!(message, &tokio_postgres::SimpleQueryMessage::Row(_));
    Ok(answer.iter().any(is_row))
}
