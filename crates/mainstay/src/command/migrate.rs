//! `migrate up | status | plan`.

use std::fmt::Write;

use clap::ArgMatches;
use mainstay_store::{MigrationReport, MigrationState};

use crate::{
    app::{self, Application, Failure, Overrides},
    config::Framework,
};

pub(super) async fn run<A: Application>(
    framework: &Framework,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let resources = app::open_unmigrated::<A>(framework, &Overrides::default()).await?;
    let migrator = resources.database.migrate(A::migrations());
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
                let _ =
                    writeln!(text, "-- {:04} {}\n{}", planned.number, planned.name, planned.sql);
            }
        }
        _ => {
            for report in migrator.status().await.map_err(app::migration_failure)? {
                let _ = writeln!(text, "{}", line(&report));
            }
        }
    }
    resources.database.close().await;
    Ok(text)
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
