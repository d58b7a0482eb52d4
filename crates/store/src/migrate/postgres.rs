//! Migrations on PostgreSQL: each in a transaction of its own, under an advisory lock.
//!
//! The advisory lock keeps two processes from migrating at once; it belongs to the transaction, so
//! it works through a pooler and ends with a crash. A statement that waits for a table's lock makes
//! everybody queue behind it: so it waits briefly only, and the whole migration is tried again.

use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::{Clock, SystemClock};
use tokio_postgres::{Error, SimpleQueryMessage, error::SqlState};

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::{Migration, Migrations},
    lint, outside,
    run::{self, CREATE_RECORDS, Record, Records, label},
};
use crate::{
    database::{Connection, Engine, Postgres},
    error::{Cause, Explanation, StoreError},
};

/// The key of the advisory lock: "mainstay" in ASCII, so that nobody else has it by accident.
pub(super) const LOCK_KEY: i64 = 0x6d61_696e_7374_6179;

/// How long a migration may hold up others while it waits for a table: below what a client notices.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// How often a migration is tried that finds its tables in use. With the pauses below, for some 20
/// seconds: longer than any statement of a service may run.
const TRIES_MAX: u32 = 30;

/// The longest pause between two tries; a random part of it is waited, growing from 100 ms.
const PAUSE_MAX: Duration = Duration::from_millis(1500);

/// How a step ends early.
pub(super) enum Step {
    Refused(MigrateError),
    /// Reading or writing the records failed.
    Records(Error),
    /// The SQL of a migration failed.
    Sql(String, Error),
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Records(error)
    }
}

impl From<MigrateError> for Step {
    fn from(error: MigrateError) -> Self {
        Self::Refused(error)
    }
}

impl Step {
    /// A lock was not to be had in time, or two transactions waited for each other.
    fn may_pass(&self) -> bool {
        let Self::Sql(_, error) = self else { return false };
        matches!(
            error.code(),
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED)
        )
    }

    fn explained(self) -> MigrateError {
        let (what, fix, error) = match self {
            Self::Refused(error) => return error,
            Self::Records(error) if error.as_db_error().is_none() => {
                return MigrateError::Store(StoreError::Unavailable(Cause::from(error)));
            }
            Self::Records(error) => (
                "the migrations cannot be recorded".to_owned(),
                "Check the rights of the user, and the table mainstay_migrations.",
                error,
            ),
            Self::Sql(migration, error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => (
                format!("{migration} was not applied"),
                "Its tables were in use all the time: end the long transactions and run it \
                     again.",
                error,
            ),
            Self::Sql(migration, error) => (
                format!("{migration} was not applied"),
                "Nothing of it was kept: correct the file and run it again.",
                error,
            ),
        };
        // A migration is given no values, so the server's own words may be shown.
        let said = error.as_db_error().map_or_else(
            || error.to_string(),
            |error| format!("{} ({})", error.message(), error.code().code()),
        );
        let why = format!("postgres says: {said}");
        let explanation = Explanation { what, why, fix: fix.to_owned() };
        MigrateError::Failed { explanation, cause: Cause::from(error) }
    }
}

/// What the database remembers.
pub(super) async fn records(engine: &Postgres) -> Result<Records, MigrateError> {
    let connection = engine.exclusive().await?;
    read_records(&connection).await.map_err(|error| Step::from(error).explained())
}

/// Applies what is pending.
pub(super) async fn up(
    engine: &Postgres,
    migrations: Migrations,
) -> Result<Vec<MigrationReport>, MigrateError> {
    let connection = engine.exclusive().await?;
    let mut applied = Vec::new();
    loop {
        match apply_next(&connection, migrations).await? {
            Done::Applied(report) => applied.push(report),
            Done::Elsewhere => {}
            Done::Nothing => return Ok(applied),
        }
    }
}

/// What a step has done.
pub(super) enum Done {
    Applied(MigrationReport),
    /// Another process has applied it meanwhile.
    Elsewhere,
    /// Nothing is pending.
    Nothing,
}

/// Applies the first pending migration, if there is one; tries again where others are in the way.
async fn apply_next(connection: &Connection, migrations: Migrations) -> Result<Done, MigrateError> {
    let mut tries = 0;
    loop {
        let step = match try_next(connection, migrations).await {
            Ok(done) => return Ok(done),
            Err(step) => step,
        };
        tries += 1;
        let undone = connection.client().batch_execute("ROLLBACK").await;
        if tries >= TRIES_MAX || !step.may_pass() || undone.is_err() {
            return Err(step.explained());
        }
        let pause = (LOCK_TIMEOUT * tries).min(PAUSE_MAX).mul_f64(fastrand::f64());
        tokio::time::sleep(pause).await;
    }
}

async fn try_next(connection: &Connection, migrations: Migrations) -> Result<Done, Step> {
    let client = connection.client();
    // The order counts: another process may hold the advisory lock for as long as its migration
    // takes, and that is no reason to give up.
    let begin = format!(
        "BEGIN; {}; SET LOCAL statement_timeout = 0; \
         SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0; \
         SELECT pg_advisory_xact_lock({LOCK_KEY}); SET LOCAL lock_timeout = {}",
        watch_us(Scope::Transaction),
        LOCK_TIMEOUT.as_millis()
    );
    client.batch_execute(&begin).await?;
    let known = read_records(connection).await?;
    let Some((mut report, file)) = run::next(Engine::Postgres, migrations, known)? else {
        client.batch_execute("ROLLBACK").await?;
        return Ok(Done::Nothing);
    };
    if let Some(statement) = lint::outside_transaction(file.sql()) {
        client.batch_execute("ROLLBACK").await?;
        return outside::apply(connection, report, file, &statement).await;
    }
    check_fence(&report, file)?;
    let applied = client.batch_execute(file.sql()).await;
    applied.map_err(|error| Step::Sql(label(&report), error))?;
    let at = SystemClock::new().now();
    client.batch_execute(&record_sql(&report, at)).await?;
    // A deferred constraint speaks here.
    let committed = client.batch_execute("COMMIT").await;
    committed.map_err(|error| Step::Sql(label(&report), error))?;
    report.state = MigrationState::Applied { at };
    Ok(Done::Applied(report))
}

/// How long a setting of the server holds.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    Transaction,
    Session,
}

/// Has the server look every second whether this process is still there. Otherwise the statement of
/// a process that was killed runs to its end, however long, with every lock it has. A server that
/// cannot do this (before 14, or on Windows) does not.
pub(super) fn watch_us(scope: Scope) -> String {
    let local = matches!(scope, Scope::Transaction);
    format!(
        "DO $$ BEGIN PERFORM set_config('client_connection_check_interval', '1s', {local}); \
         EXCEPTION WHEN OTHERS THEN NULL; END $$"
    )
}

/// What makes the database remember a migration.
pub(super) fn record_sql(report: &MigrationReport, at: Timestamp) -> String {
    // The table is its own column types' only user, so its text form is not a second format.
    format!(
        "{CREATE_RECORDS}; INSERT INTO mainstay_migrations (number, name, checksum, applied_at) \
         VALUES ({}, '{}', '{}', '{at}')",
        report.number, report.name, report.checksum,
    )
}

/// A migration that ended its transaction would be half applied when it fails.
fn check_fence(report: &MigrationReport, file: &Migration) -> Result<(), MigrateError> {
    if !lint::controls_transaction(file.sql()) {
        return Ok(());
    }
    Err(MigrateError::Refused(Explanation {
        what: format!("{} was not applied", label(report)),
        why: "it opens or ends a transaction, and runs in one already".to_owned(),
        fix: "Remove BEGIN, COMMIT, END and ROLLBACK from the file.".to_owned(),
    }))
}

pub(super) async fn read_records(connection: &Connection) -> Result<Records, Error> {
    // One question, because the answer to two may come from two moments; and as text, because that
    // needs no prepared statement.
    // Asked of a table, so that the session hears first what others have created: a pooler's may
    // remember from before the wait for the lock that there is none.
    const EXISTS: &str =
        "SELECT count(*) > 0 FROM pg_class WHERE oid = to_regclass('mainstay_migrations')";
    const READ: &str = "SELECT number, name, checksum, \
         (extract(epoch FROM applied_at) * 1000000)::bigint FROM mainstay_migrations";
    let client = connection.client();
    let exists = client.simple_query(EXISTS).await?.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
        _ => false,
    });
    if !exists {
        return Ok(Records::new());
    }
    let mut records = Records::new();
    for message in client.simple_query(READ).await? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        let text = |index| row.get(index).unwrap_or_default();
        let Ok(number) = text(0).parse() else { continue };
        let at = text(3).parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        let record = Record {
            name: text(1).to_owned(),
            checksum: text(2).to_owned(),
            at: at.unwrap_or_default(),
        };
        records.insert(number, record);
    }
    Ok(records)
}
