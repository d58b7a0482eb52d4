//! Migrations on the embedded engine: each under the write lock, on the writer's connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use mainstay_core::{Clock, SystemClock};
use rusqlite::{
    Connection, Error, ErrorCode, TransactionBehavior,
    hooks::{AuthAction, AuthContext, Authorization},
};

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::Migrations,
    run::{self, CREATE_RECORDS, Record, Records, label},
};
use crate::{
    database::{Engine, Sqlite},
    error::{Cause, Explanation},
};

/// What the database remembers.
pub(super) async fn records(engine: &Sqlite) -> Result<Records, MigrateError> {
    on_writer(engine, |connection| Ok(read_records(connection)?)).await
}

/// Applies what is pending.
pub(super) async fn up(
    engine: &Sqlite,
    migrations: Migrations,
) -> Result<Vec<MigrationReport>, MigrateError> {
    on_writer(engine, move |connection| {
        let mut applied = Vec::new();
        while let Some(report) = apply_next(connection, migrations)? {
            applied.push(report);
        }
        Ok(applied)
    })
    .await
}

async fn on_writer<T: Send + 'static>(
    engine: &Sqlite,
    work: impl FnOnce(&mut Connection) -> Result<T, Step> + Send + 'static,
) -> Result<T, MigrateError> {
    engine.exclusively(work).await?.map_err(Step::explained)
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
            Self::Records(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => (
                "the migrations were not applied".to_owned(),
                "another process is writing all the time, or migrates".to_owned(),
                "Run it again when that is done: what is applied then is not applied twice.",
                error,
            ),
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
    let Some((mut report, file)) = run::next(Engine::Sqlite, migrations, read_records(tx)?)? else {
        return Ok(None);
    };
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

fn read_records(connection: &Connection) -> Result<Records, Error> {
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
