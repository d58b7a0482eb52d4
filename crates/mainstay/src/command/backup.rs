//! `backup --to FILE`: a copy of the embedded database, while the service runs.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use clap::ArgMatches;
use mainstay_core::{Clock, SystemClock};
use mainstay_store::BackupProgress;

use crate::{
    app::{self, Failure, Overrides},
    config::Framework,
};

pub(super) async fn run(framework: &Framework, matches: &ArgMatches) -> Result<String, Failure> {
    // clap does not let it be left out.
    let to = matches.get_one::<PathBuf>("to").cloned().unwrap_or_default();
    let (url, _) = app::database_options(framework)?;
    if let Some(file) = url.file().filter(|file| !file.exists()) {
        let what = format!("there is no database {}", file.display());
        let fix = "run it in the working folder of the service, with its environment";
        return Err(Failure::new(what, "nothing has created it yet", fix));
    }
    let resources = app::open_unmigrated(framework, &Overrides::default()).await?;
    let clock = SystemClock::new();
    let is_terminal = std::io::stderr().is_terminal();
    let copied = resources.database.backup(&to, move |progress| {
        if is_terminal {
            // A terminal that has gone away is no failure.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(progress, clock.monotonic()));
        }
    });
    let copied = copied.await;
    resources.database.close().await;
    if is_terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let bytes = copied.map_err(|error| Failure::new(error.0.what, error.0.why, error.0.fix))?;
    Ok(format!("backed up {url} to {}: {} bytes, checked\n", to.display(), bytes))
}

/// `42 %  84 of 200 MiB  120 MiB/s  1 s left`
fn line(progress: BackupProgress, elapsed: Duration) -> String {
    let BackupProgress { done, total } = progress;
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = (total - done) as f64 / rate.max(1.0);
    format!(
        "{} %  {} of {} MiB  {:.0} MiB/s  {left:.0} s left",
        done * 100 / total.max(1),
        done >> 20,
        total >> 20,
        rate / f64::from(1 << 20),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rate_and_time_left() {
        let progress = BackupProgress { done: 50 << 20, total: 200 << 20 };
        let told = line(progress, Duration::from_secs(1));
        assert_eq!(told, "25 %  50 of 200 MiB  50 MiB/s  3 s left");
        assert_eq!(
            line(BackupProgress { done: 0, total: 0 }, Duration::ZERO),
            "0 %  0 of 0 MiB  0 MiB/s  0 s left"
        );
    }
}
