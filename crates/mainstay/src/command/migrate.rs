//! `migrate up | status | plan`.

use std::fmt::Write;

use clap::ArgMatches;

use crate::{
    app::{self, Application, Failure, Overrides},
    config::Framework,
};

pub(super) async fn run<A: Application>(
    framework: &Framework,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let resources = app::open_unmigrated(framework, &Overrides::default()).await?;
    let migrator = resources.database.migrate(A::migrations());
    let failed = |error| Failure::unexpected("the migrations failed", &error);
    let mut text = String::new();
    match matches.subcommand_name() {
        Some("up") => {
            let applied = migrator.up().await.map_err(failed)?;
            if applied.is_empty() {
                text.push_str("nothing to do: the schema is up to date\n");
            }
            for report in applied {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "applied {report}");
            }
        }
        Some("plan") => {
            let plan = migrator.plan().await.map_err(failed)?;
            if plan.is_empty() {
                text.push_str("nothing to do: the schema is up to date\n");
            }
            for planned in plan {
                let _ = writeln!(text, "{planned}");
            }
        }
        _ => {
            for report in migrator.status().await.map_err(failed)? {
                let _ = writeln!(text, "{report}");
            }
        }
    }
    resources.database.close().await;
    Ok(text)
}
