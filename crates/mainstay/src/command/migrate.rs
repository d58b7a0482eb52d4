//! `migrate up | status | plan | check`.

use std::{fmt::Write, process::ExitCode};

use clap::ArgMatches;
use mainstay_store::{Engine, MigrationReport, MigrationState, Planned};

use crate::{
    app::{self, Application, Failure, Overrides},
    config::Framework,
};

pub(super) async fn run<A: Application>(
    framework: &Framework,
    matches: &ArgMatches,
) -> Result<ExitCode, Failure> {
    if matches.subcommand_name() == Some("check") {
        return Ok(check::<A>());
    }
    let resources = app::open_unmigrated::<A>(framework, &Overrides::default()).await?;
    let text = on_database::<A>(&resources.database, matches).await;
    resources.database.close().await;
    super::print(&text?);
    Ok(ExitCode::SUCCESS)
}

async fn on_database<A: Application>(
    database: &mainstay_store::Database,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let migrator = database.migrate(A::migrations());
    let mut text = String::new();
    match matches.subcommand_name() {
        Some("up") => {
            let applied = migrator.up().await.map_err(app::migration_failure)?;
            if applied.is_empty() {
                text.push_str("nothing to do: the schema is up to date\n");
            }
            for report in applied {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "{}", line(&report));
            }
        }
        Some("plan") => {
            let plan = migrator.plan().await.map_err(app::migration_failure)?;
            if plan.is_empty() {
                text.push_str("nothing to do: the schema is up to date\n");
            }
            for planned in plan {
                text += &plan_text(&planned, database.engine());
            }
        }
        _ => {
            for report in migrator.status().await.map_err(app::migration_failure)? {
                let _ = writeln!(text, "{}", line(&report));
            }
        }
    }
    Ok(text)
}

/// Says what would hold up a PostgreSQL in use, without any.
fn check<A: Application>() -> ExitCode {
    let findings = A::migrations().findings();
    for finding in &findings {
        super::complain(finding);
    }
    if findings.is_empty() {
        super::print("no migration holds up a PostgreSQL that is in use\n");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// The SQL of a migration, and as comments what it does to those who use the database meanwhile.
fn plan_text(planned: &Planned, engine: Engine) -> String {
    let Planned { number, name, sql, statements } = planned;
    let mut notes = String::new();
    let mut findings = String::new();
    for statement in statements {
        let _ = writeln!(notes, "line {}: {}", statement.line, statement.head);
        if statement.locks.is_empty() {
            notes.push_str("  nobody waits\n");
        }
        for lock in &statement.locks {
            let _ = writeln!(notes, "  {lock}");
        }
        if statement.outside_transaction {
            notes.push_str(
                "  outside a transaction and without a lock_timeout: it waits for every ",
            );
            notes.push_str("transaction that is older\n");
        }
        for finding in &statement.findings {
            let _ = writeln!(findings, "{finding}");
        }
    }
    let (locks, refused) = match engine {
        Engine::Postgres => ("locks", "`migrate up` refuses this"),
        Engine::Sqlite => ("locks, were it PostgreSQL", "PostgreSQL would refuse this"),
    };
    let mut text = format!("-- {number:04} {name}\n{}\n", sql.trim_end());
    for (title, notes) in [(locks, notes), (refused, findings)] {
        if !notes.is_empty() {
            let _ = writeln!(text, "-- {title}:");
            for note in notes.lines() {
                let _ = writeln!(text, "--   {note}");
            }
        }
    }
    text + "\n"
}

fn line(report: &MigrationReport) -> String {
    let state = match report.state {
        MigrationState::Applied { at } => format!("applied {at}"),
        MigrationState::Pending => "pending".to_owned(),
        MigrationState::Changed { at } => {
            format!("applied {at}, and its file is another one since")
        }
        MigrationState::Missing { at } => format!("applied {at}, and unknown to this binary"),
    };
    format!("{:04} {:24} {state}", report.number, report.name)
}
