//! The reference service in a process, a folder and on ports of its own.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

/// A running service; it and its database are gone when it is dropped.
pub(super) struct Service {
    child: Child,
    folder: TempDir,
    url: String,
}

/// The line of the log that says where it serves.
#[derive(Deserialize)]
struct Serving {
    msg: String,
    api: Option<String>,
}

impl Service {
    /// Starts it with defaults but for ports and limits, and waits until it serves.
    pub(super) fn start(program: &Path, log: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut log =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(program)
            .current_dir(&folder)
            .env_clear()
            .envs([("PORT", "0"), ("OPS_PORT", "0"), ("LOG_FORMAT", "json")])
            // One client makes thousands of requests.
            .env("MAINSTAY_LIMITS__MULTIPLIER", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().context("its output was asked for")?;
        let mut service = Self { child, folder, url: String::new() };
        let mut output = BufReader::new(output);
        service.url = serving(&mut output, &mut log)?;
        // Somebody has to read on, or the service waits for room in the pipe.
        thread::spawn(move || io::copy(&mut output, &mut log));
        Ok(service)
    }

    /// Where its API is, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A command in its folder, where its own commands find its database.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

/// Reads up to the line that says that it serves.
fn serving(output: &mut BufReader<ChildStdout>, log: &mut File) -> Result<String> {
    let mut all = String::new();
    loop {
        let start = all.len();
        if output.read_line(&mut all)? == 0 {
            bail!("the service ended before it served: {all}");
        }
        let line = &all[start..];
        log.write_all(line.as_bytes())?;
        let line = serde_json::from_str::<Serving>(line).ok().filter(|line| line.msg == "serving");
        if let Some(url) = line.and_then(|line| line.api) {
            return Ok(url.trim_end_matches('/').to_owned());
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
