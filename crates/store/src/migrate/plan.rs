//! What `up` would do, and whether a service in use can bear it.

use super::{
    MigrateError, MigrationReport, MigrationState,
    file::Migrations,
    lint::{Checker, Finding, PlannedStatement},
    run::left_out,
};
use crate::{database::Engine, error::Explanation};

/// A migration that `up` would apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its place in the order.
    pub number: u32,
    /// `create_users`
    pub name: &'static str,
    /// What would run on the engine in use.
    pub sql: &'static str,
    /// What it does to a PostgreSQL in use, statement by statement, also where the engine in use is
    /// another one. Empty when it has no file for PostgreSQL.
    pub statements: Vec<PlannedStatement>,
}

impl Migrations {
    /// What is unsafe on a PostgreSQL that is in use, were each file applied by a release of its
    /// own. Needs no database: a service asks for it in a test.
    pub fn findings(&self) -> Vec<Finding> {
        let mut checker = Checker::default();
        let files = self.for_engine(Engine::Postgres).filter_map(|(_, _, file)| file);
        let read = files.flat_map(|file| {
            let statements = checker.read(&file.file_name(), file.sql());
            checker.release();
            statements
        });
        read.flat_map(|statement| statement.findings).collect()
    }
}

/// What is pending, in order. `reports` begins with every migration of the binary.
pub(super) fn plan(
    migrations: Migrations,
    engine: Engine,
    reports: &[MigrationReport],
) -> Result<Vec<Planned>, MigrateError> {
    let mut checker = Checker::default();
    let mut plan = Vec::new();
    let files = migrations.for_engine(engine).zip(migrations.for_engine(Engine::Postgres));
    for (((number, name, file), (.., on_postgres)), report) in files.zip(reports) {
        let pending = report.state == MigrationState::Pending;
        let statements =
            on_postgres.map(|file| checker.read(&file.file_name(), file.sql())).unwrap_or_default();
        if pending {
            let sql = file.ok_or_else(|| left_out(engine, report))?.sql();
            plan.push(Planned { number, name, sql, statements });
        } else {
            // What an applied file has created is in use.
            checker.release();
        }
    }
    Ok(plan)
}

/// Refuses a plan with findings: nothing of it is applied then.
pub(super) fn safe(plan: &[Planned]) -> Result<(), MigrateError> {
    let statements = plan.iter().flat_map(|planned| &planned.statements);
    let findings: Vec<_> = statements.flat_map(|statement| &statement.findings).collect();
    if findings.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = findings.iter().map(|finding| format!("\n{finding}")).collect();
    let (count, plural) = (findings.len(), if findings.len() == 1 { "" } else { "s" });
    Err(MigrateError::Refused(Explanation {
        what: "the migrations were not applied".to_owned(),
        why: format!(
            "{count} statement{plural} would hold up the service that runs{}\n",
            told.concat()
        ),
        fix: "Write what is shown, or put `-- mainstay: allow RULE because REASON` directly above \
              the statement."
            .to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::migrate::file::Migration;

    const USERS: Migration = Migration::new("0001_users.sql", "CREATE TABLE users (age bigint)");
    const INDEX: Migration = Migration::new("0002_i.sql", "CREATE INDEX i ON users (age)");
    const UNSAFE: Migrations = Migrations::new(&[USERS, INDEX]);
    const VARIANTS: Migrations = Migrations::new(&[
        USERS,
        Migration::new("0002_i.sqlite.sql", "CREATE INDEX i ON users (age)"),
        Migration::new("0002_i.postgres.sql", "CREATE INDEX CONCURRENTLY i ON users (age)"),
    ]);

    /// Plans with the first `applied` migrations in the database.
    fn planned(migrations: Migrations, engine: Engine, applied: u32) -> Vec<Planned> {
        let reports: Vec<_> = migrations
            .for_engine(engine)
            .map(|(number, name, _)| MigrationReport {
                number,
                name: name.to_owned(),
                checksum: String::new(),
                state: if number <= applied {
                    MigrationState::Applied { at: Timestamp::UNIX_EPOCH }
                } else {
                    MigrationState::Pending
                },
            })
            .collect();
        plan(migrations, engine, &reports).expect("no file was left out")
    }

    #[test]
    fn a_plan_with_findings_is_refused_as_a_whole() {
        let refused = safe(&planned(UNSAFE, Engine::Postgres, 1)).expect_err("a table in use");
        let told = refused.to_string();
        for text in ["not applied: 1 statement would", "0002_i.sql:1: create-index", "because"] {
            assert!(told.contains(text), "{text:?} is not in {told}");
        }
        let fresh = planned(UNSAFE, Engine::Postgres, 0);
        assert!(safe(&fresh).is_ok(), "nobody uses an empty database");
        assert!(safe(&planned(VARIANTS, Engine::Postgres, 1)).is_ok());
    }

    #[test]
    fn the_locks_are_those_of_postgres_whatever_the_engine() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let plan = planned(VARIANTS, engine, 1);
            let [planned] = plan.as_slice() else { panic!("{plan:?}") };
            assert_eq!(planned.sql.contains("CONCURRENTLY"), engine == Engine::Postgres);
            let [statement] = planned.statements.as_slice() else { panic!("{planned:?}") };
            assert!(statement.outside_transaction && statement.findings.is_empty());
            let lock = statement.locks[0].to_string();
            assert!(lock.starts_with("SHARE UPDATE EXCLUSIVE on users"), "{lock}");
        }
    }

    #[test]
    fn without_a_database_each_file_is_a_release_of_its_own() {
        let findings = UNSAFE.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].file.as_str(), findings[0].line), ("0002_i.sql", 1));
        assert_eq!(VARIANTS.findings(), []);
    }
}
