//! Comparing a database with the binary, and bringing it up.
//!
//! Each migration and its record are one transaction that takes the write lock before it looks, so
//! two processes may start at once and a crash leaves a whole number of migrations.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use mainstay_core::{Clock, SystemClock};
use rusqlite::{
    Connection, Error, ErrorCode, TransactionBehavior,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::{Migration, Migrations},
    plan::{self, Planned},
};
use crate::{
    database::{Database, Engine},
    error::{Cause, Explanation},
};

const CREATE_RECORDS: &str = "CREATE TABLE IF NOT EXISTS mainstay_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL
)";

/// Runs the migrations of a binary on a database.
#[derive(Debug)]
pub struct Migrator {
    database: Database,
    migrations: Migrations,
}

/// What the database remembers about a migration.
struct Record {
    name: String,
    checksum: String,
    at: Timestamp,
}

type Records = BTreeMap<u32, Record>;

impl Migrator {
    pub(super) fn new(database: Database, migrations: Migrations) -> Self {
        Self { database, migrations }
    }

    /// Every migration that either side knows, by number. Changes nothing.
    pub async fn status(&self) -> Result<Vec<MigrationReport>, MigrateError> {
        let migrations = self.migrations;
        self.on_writer(move |connection| Ok(compare(migrations, records(connection)?))).await
    }

    /// What [`up`](Self::up) would apply. Changes nothing; fails where `up` would refuse.
    pub async fn plan(&self) -> Result<Vec<Planned>, MigrateError> {
        let reports = self.status().await?;
        agreed(&reports)?;
        plan::plan(self.migrations, self.database.engine(), &reports)
    }

    /// Applies what is pending, in order, and reports what it applied.
    ///
    /// Refuses before the first one when an applied file has changed or is unknown here, and on
    /// PostgreSQL when a statement would hold up the service that runs (see [`Rule`](super::Rule)).
    pub async fn up(&self) -> Result<Vec<MigrationReport>, MigrateError> {
        if self.database.engine() == Engine::Postgres {
            plan::safe(&self.plan().await?)?;
        }
        let migrations = self.migrations;
        self.on_writer(move |connection| {
            let mut applied = Vec::new();
            while let Some(report) = apply_next(connection, migrations)? {
                applied.push(report);
            }
            Ok(applied)
        })
        .await
    }

    async fn on_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Step> + Send + 'static,
    ) -> Result<T, MigrateError> {
        let done = self.database.sqlite().exclusively(work).await?;
        done.map_err(Step::explained)
    }
}

/// What SQLite answers to a statement that [`Fence`] holds back.
const FENCED: ErrorCode = ErrorCode::AuthorizationForStatementDenied;

/// How a step ends early.
enum Step {
    Refused(MigrateError),
    /// Reading or writing the records failed.
    Records(Error),
    /// The SQL of a migration failed.
    Sql(String, Error),
}

impl From<MigrateError> for Step {
    fn from(error: MigrateError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Records(error)
    }
}

impl Step {
    fn explained(self) -> MigrateError {
        let (what, why, fix, error) = match self {
            Self::Refused(error) => return error,
            Self::Records(error) => (
                "the migrations cannot be recorded".to_owned(),
                format!("sqlite says: {error}"),
                "Check the disk, and the table mainstay_migrations.",
                error,
            ),
            Self::Sql(migration, error) if error.sqlite_error_code() == Some(FENCED) => (
                format!("{migration} was not applied"),
                "it opens or ends a transaction, and runs in one already".to_owned(),
                "Remove BEGIN, COMMIT, END and ROLLBACK from the file.",
                error,
            ),
            Self::Sql(migration, error) => (
                format!("{migration} was not applied"),
                format!("sqlite says: {error}"),
                "Nothing of it was kept: correct the file and run it again.",
                error,
            ),
        };
        let explanation = Explanation { what, why, fix: fix.to_owned() };
        MigrateError::Failed { explanation, cause: Cause::from(error) }
    }
}

/// Applies the first pending migration, if there is one.
fn apply_next(
    connection: &mut Connection,
    migrations: Migrations,
) -> Result<Option<MigrationReport>, Step> {
    // A table is rebuilt by dropping it, which would empty the tables that refer to it. This cannot
    // be switched inside a transaction; `check_references` makes up for it.
    connection.pragma_update(None, "foreign_keys", false)?;
    let fence = Fence::install(connection)?;
    let applied = apply_next_behind(&fence, connection, migrations);
    Fence::remove(connection)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    applied
}

fn apply_next_behind(
    fence: &Fence,
    connection: &mut Connection,
    migrations: Migrations,
) -> Result<Option<MigrationReport>, Step> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = apply_next_in_tx(&tx, migrations, fence)?;
    // An early return rolls back as it drops the transaction.
    tx.commit()?;
    Ok(applied)
}

/// Keeps the SQL of a migration from ending the transaction it runs in.
struct Fence(Arc<AtomicBool>);

impl Fence {
    fn install(connection: &mut Connection) -> Result<Self, Error> {
        let fence = Self(Arc::default());
        let closed = fence.0.clone();
        let decide = move |context: AuthContext<'_>| match context.action {
            AuthAction::Transaction { .. } if closed.load(Ordering::Relaxed) => Authorization::Deny,
            _ => Authorization::Allow,
        };
        connection.authorizer(Some(decide))?;
        Ok(fence)
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.store(true, Ordering::Relaxed);
        let result = work();
        self.0.store(false, Ordering::Relaxed);
        result
    }

    fn remove(connection: &mut Connection) -> Result<(), Error> {
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
    }
}

fn apply_next_in_tx(
    tx: &Connection,
    migrations: Migrations,
    fence: &Fence,
) -> Result<Option<MigrationReport>, Step> {
    let reports = compare(migrations, records(tx)?);
    agreed(&reports)?;
    let Some(mut report) = reports.into_iter().find(|r| r.state == MigrationState::Pending) else {
        return Ok(None);
    };
    let file = migrations
        .for_engine(Engine::Sqlite)
        .find_map(|(number, _, file)| file.filter(|_| number == report.number))
        .ok_or_else(|| left_out(&report, Engine::Sqlite))?;
    fence
        .during(|| tx.execute_batch(file.sql()))
        .map_err(|error| Step::Sql(label(&report), error))?;
    check_references(tx, &report)?;
    let at = SystemClock::new().now();
    tx.execute(CREATE_RECORDS, ())?;
    tx.execute(
        "INSERT INTO mainstay_migrations (number, name, checksum, applied_at) \
         VALUES (?1, ?2, ?3, ?4)",
        (report.number, &report.name, &report.checksum, at.as_microsecond()),
    )?;
    report.state = MigrationState::Applied { at };
    Ok(Some(report))
}

/// References were not enforced while the migration ran; they must hold at its end.
fn check_references(tx: &Connection, report: &MigrationReport) -> Result<(), Step> {
    let mut statement = tx.prepare("SELECT \"table\", parent FROM pragma_foreign_key_check")?;
    let mut rows = statement.query(())?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let (table, parent): (String, String) = (row.get(0)?, row.get(1)?);
    Err(Step::Refused(MigrateError::Refused(Explanation {
        what: format!("{} was not applied", label(report)),
        why: format!("it leaves rows of {table} that refer to no row of {parent}"),
        fix: "Move or delete these rows in the migration.".to_owned(),
    })))
}

fn records(connection: &Connection) -> Result<Records, Error> {
    let exists = "SELECT 1 FROM sqlite_schema WHERE name = 'mainstay_migrations'";
    if !connection.prepare(exists)?.exists(())? {
        return Ok(Records::new());
    }
    let mut statement =
        connection.prepare("SELECT number, name, checksum, applied_at FROM mainstay_migrations")?;
    let rows = statement.query_map((), |row| {
        let at = Timestamp::from_microsecond(row.get(3)?).unwrap_or_default();
        Ok((row.get(0)?, Record { name: row.get(1)?, checksum: row.get(2)?, at }))
    })?;
    rows.collect()
}

/// Puts the two sides beside each other.
fn compare(migrations: Migrations, mut records: Records) -> Vec<MigrationReport> {
    let mut reports: Vec<_> = migrations
        .for_engine(Engine::Sqlite)
        .map(|(number, name, file)| {
            let checksum = file.map(Migration::checksum).unwrap_or_default();
            let state = match records.remove(&number) {
                None => MigrationState::Pending,
                Some(record) if record.checksum == checksum => {
                    MigrationState::Applied { at: record.at }
                }
                Some(record) => MigrationState::Changed { at: record.at },
            };
            MigrationReport { number, name: name.to_owned(), checksum, state }
        })
        .collect();
    reports.extend(records.into_iter().map(|(number, record)| MigrationReport {
        number,
        name: record.name,
        checksum: record.checksum,
        state: MigrationState::Missing { at: record.at },
    }));
    reports
}

/// Whether the past of both sides is the same.
fn agreed(reports: &[MigrationReport]) -> Result<(), MigrateError> {
    let mut pending = None;
    for report in reports {
        let (why, fix) = match report.state {
            MigrationState::Pending => {
                pending = pending.or(Some(report));
                continue;
            }
            MigrationState::Changed { .. } => (
                "its file is not the one that was applied".to_owned(),
                "Restore the file and put the change into a new migration.",
            ),
            MigrationState::Missing { .. } => (
                "it was applied by a newer version of the program".to_owned(),
                "Start that version, or restore the backup made before it.",
            ),
            MigrationState::Applied { .. } => match pending {
                None => continue,
                Some(earlier) => (
                    format!("it was applied before {}", label(earlier)),
                    "Compare the table mainstay_migrations with the files; a row is lost.",
                ),
            },
        };
        let what = format!("{} does not match the database", label(report));
        return Err(MigrateError::Refused(Explanation { what, why, fix: fix.to_owned() }));
    }
    Ok(())
}

fn label(report: &MigrationReport) -> String {
    format!("migration {:04}_{}", report.number, report.name)
}

pub(super) fn left_out(report: &MigrationReport, engine: Engine) -> MigrateError {
    let engine = engine.as_str();
    MigrateError::Refused(Explanation {
        what: format!("{} cannot be applied", label(report)),
        why: format!("it has a file for another engine and none for {engine}"),
        fix: format!("Add {:04}_{}.{engine}.sql.", report.number, report.name),
    })
}
