//! `promote --to postgres://…`: the embedded database becomes one of a server.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    time::Duration,
};

use clap::ArgMatches;
use mainstay_core::{Clock, Secret, SystemClock};
use mainstay_store::{Database, DatabaseUrl, Engine, PromoteError, PromoteProgress};

use crate::{
    app::{self, Application, Failure, Overrides},
    config::Framework,
};

/// What no copy can make the same.
const DIFFERENCES: &str = "\
What is different from now on:
  - writes run at the same time; what must not happen twice needs a constraint
  - text sorts and compares by the collation of the database, not by bytes
  - NULL sorts last, and LIKE tells upper from lower case
  - a value of the wrong type is refused instead of kept
  - backups are the server's: `backup` is for SQLite
";

/// How to write the address of a target.
const ADDRESS: &str = "name it as `postgres://user:password@host:port/name`";

pub(super) async fn run<A: Application>(
    framework: &Framework,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let to = target(matches)?;
    let (url, options) = app::database_options::<A>(framework)?;
    if let Some(file) = url.file().filter(|file| !file.exists()) {
        let what = format!("there is no database {}", file.display());
        let fix = "run it in the working folder of the service, with its environment";
        return Err(Failure::new(what, "nothing has created it yet", fix));
    }
    if to.engine() != Engine::Postgres {
        let what = "the database was not promoted";
        return Err(Failure::new(what, "it goes from SQLite to PostgreSQL", ADDRESS));
    }
    let target = Database::open(&to, &options).await.map_err(|error| {
        let explained = error.0;
        Failure::new(explained.what, explained.why, explained.fix)
    })?;
    let source = app::open_unmigrated::<A>(framework, &Overrides::default()).await?.database;
    let is_terminal = std::io::stderr().is_terminal();
    let clock = SystemClock::new();
    let mut begun = None;
    let promoted = source.promote(&target, A::migrations(), |progress| {
        // A run that goes on has not copied at this rate what was there already.
        let begun = begun.get_or_insert((clock.monotonic(), progress.done));
        let since = (progress.done - begun.1, clock.monotonic().saturating_sub(begun.0));
        if is_terminal {
            // A terminal that has gone away is no failure.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(&progress, since));
        }
    });
    let promoted = promoted.await;
    if is_terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    target.close().await;
    source.close().await;
    let mut text = String::new();
    for table in promoted.map_err(failure)? {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{:24} {:>10} rows, the same on both sides", table.name, table.rows);
    }
    let _ = writeln!(text, "promoted {url} to {to}; start with DATABASE_URL set to it\n");
    text.push_str(DIFFERENCES);
    Ok(text)
}

/// The address of the target. Everybody on the machine can read arguments, so one with a password
/// comes from standard input.
fn target(matches: &ArgMatches) -> Result<DatabaseUrl, Failure> {
    // clap does not let it be left out.
    let to = matches.get_one::<String>("to").cloned().unwrap_or_default();
    let to = match to.as_str() {
        "-" => super::read_secret("Address of the target: ").map_err(|error| {
            Failure::unexpected("cannot read the address of the target", &error)
        })?,
        _ => Secret::new(to),
    };
    to.reveal().parse().map_err(|error: mainstay_store::UrlError| {
        let what = "the address of the target cannot be used";
        Failure::new(what, error.to_string(), ADDRESS)
    })
}

/// `users  420 of 1000 rows  2000 rows/s  0 s left`
fn line(progress: &PromoteProgress, (copied, elapsed): (u64, Duration)) -> String {
    let PromoteProgress { table, done, total } = progress;
    let rate = copied as f64 / elapsed.as_secs_f64().max(0.001);
    let left = total.saturating_sub(*done) as f64 / rate.max(1.0);
    format!("{table}  {done} of {total} rows  {rate:.0} rows/s  {left:.0} s left")
}

fn failure(error: PromoteError) -> Failure {
    match error {
        PromoteError::Refused(explained) => {
            Failure::new(explained.what, explained.why, explained.fix)
        }
        PromoteError::Migrate(error) => app::migration_failure(error),
        PromoteError::Store(error) => Failure::unexpected(
            "the database was not promoted; run it again, and it goes on where it stopped",
            &error,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_and_time_left() {
        let progress = PromoteProgress { table: "users".to_owned(), done: 600, total: 1000 };
        let told = line(&progress, (100, Duration::from_secs(1)));
        assert_eq!(told, "users  600 of 1000 rows  100 rows/s  4 s left");
    }
}
