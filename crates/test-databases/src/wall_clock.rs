//! `WallClock`: the time of day as a test wants processes to see it.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{ServerError, machine::programs};

/// A clock that is off, for the processes that are started with it. Time goes on at its usual rate,
/// and the monotonic clock is the machine's.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    folder: TempDir,
}

impl WallClock {
    /// One that is right, until it is [set](Self::set).
    pub fn new() -> Result<Self, ServerError> {
        let clock = Self { library: programs::faketime()?, folder: tempfile::tempdir()? };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many seconds ahead of the machine's, or behind. Whoever has it sees that at once.
    pub fn set(&self, seconds: i64) -> Result<(), ServerError> {
        // In one step: a process that reads it meanwhile must not see half of it.
        let next = self.folder.path().join("next");
        fs::write(&next, format!("{seconds:+}s\n"))?;
        fs::rename(next, self.file())?;
        Ok(())
    }

    /// What a process has to find in its environment.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        // The library allocates when it is asked for the time, and jemalloc, which Redis has, asks
        // for the time when it allocates: the C library's own `malloc` ends that.
        let mut preloaded = self.library.clone().into_os_string();
        preloaded.push(" libc.so.6");
        vec![
            ("LD_PRELOAD", preloaded),
            ("FAKETIME_TIMESTAMP_FILE", self.file().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            // The name before version 0.9.8, and the one since.
            ("DONT_FAKE_MONOTONIC", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Starts a program with it.
    pub fn applied_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.environment())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of_day(date: &mut Command) -> i64 {
        let output = date.arg("+%s").output().expect("is run");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    }

    #[test]
    fn a_process_sees_the_time_of_day_that_it_was_given() {
        let clock = WallClock::new().expect("is made");
        for ahead in [0, 30, -30] {
            clock.set(ahead).expect("is set");
            let seen = time_of_day(clock.applied_to(&mut Command::new("date")));
            let off = seen - time_of_day(&mut Command::new("date"));
            assert!((ahead - 5..=ahead + 5).contains(&off), "{off} s and not {ahead}");
        }
    }
}
