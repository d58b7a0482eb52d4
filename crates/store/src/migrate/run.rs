//! Comparing a database with the binary, and bringing it up.
//!
//! Each migration and its record are one transaction that takes a lock before it looks, so two
//! processes may start at once and a crash leaves a whole number of migrations.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::{Migration, Migrations},
    plan::{self, Planned},
    postgres, sqlite,
};
use crate::{
    database::{Database, Engine, Inner},
    error::Explanation,
};

/// Where the database remembers; the same on both engines.
pub(super) const CREATE_RECORDS: &str = "CREATE TABLE IF NOT EXISTS mainstay_migrations (
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
pub(super) struct Record {
    pub(super) name: String,
    pub(super) checksum: String,
    pub(super) at: Timestamp,
}

pub(super) type Records = BTreeMap<u32, Record>;

impl Migrator {
    pub(super) fn new(database: Database, migrations: Migrations) -> Self {
        Self { database, migrations }
    }

    /// Every migration that either side knows, by number. Changes nothing.
    pub async fn status(&self) -> Result<Vec<MigrationReport>, MigrateError> {
        let records = match self.database.inner() {
            Inner::Sqlite(engine) => sqlite::records(engine).await?,
            Inner::Postgres(engine) => postgres::records(engine).await?,
        };
        Ok(compare(self.database.engine(), self.migrations, records))
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
    /// PostgreSQL when a statement would hold up the service that runs: see
    /// [`Rule`](crate::ddl::Rule).
    pub async fn up(&self) -> Result<Vec<MigrationReport>, MigrateError> {
        match self.database.inner() {
            Inner::Sqlite(engine) => sqlite::up(engine, self.migrations).await,
            Inner::Postgres(engine) => {
                plan::safe(&self.plan().await?)?;
                postgres::up(engine, self.migrations).await
            }
        }
    }
}

/// The first migration that has not been applied, with its file; refuses where the past of both
/// sides is not the same.
pub(super) fn next(
    engine: Engine,
    migrations: Migrations,
    records: Records,
) -> Result<Option<(MigrationReport, &'static Migration)>, MigrateError> {
    let reports = compare(engine, migrations, records);
    agreed(&reports)?;
    let Some(report) = reports.into_iter().find(|r| r.state == MigrationState::Pending) else {
        return Ok(None);
    };
    let file = migrations
        .for_engine(engine)
        .find_map(|(number, _, file)| file.filter(|_| number == report.number))
        .ok_or_else(|| left_out(engine, &report))?;
    Ok(Some((report, file)))
}

/// Puts the two sides beside each other.
fn compare(engine: Engine, migrations: Migrations, mut records: Records) -> Vec<MigrationReport> {
    let mut reports: Vec<_> = migrations
        .for_engine(engine)
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

pub(super) fn label(report: &MigrationReport) -> String {
    format!("migration {:04}_{}", report.number, report.name)
}

pub(super) fn left_out(engine: Engine, report: &MigrationReport) -> MigrateError {
    MigrateError::Refused(Explanation {
        what: format!("{} cannot be applied", label(report)),
        why: format!("it has a file for another engine and none for {}", engine.as_str()),
        fix: format!("Add {:04}_{}.{}.sql.", report.number, report.name, engine.as_str()),
    })
}
