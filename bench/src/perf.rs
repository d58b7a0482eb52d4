//! Instructions of a process, kernel included, where the processor's counters can be read.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// Counts from its making to [`finish`](Perf::finish).
pub(crate) struct Perf(Child);

impl Perf {
    /// `None` where perf is missing or, as in many virtual machines, has nothing to read.
    pub(crate) fn start(pid: u32) -> Option<Self> {
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "instructions", "-p"]).arg(pid.to_string());
        perf.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok().map(Self)
    }

    /// The count, if there was anything to count with.
    pub(crate) fn finish(self) -> Result<Option<f64>> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().context("end perf")?;
        let report = self.0.wait_with_output()?.stderr;
        let report = String::from_utf8_lossy(&report);
        // `value,unit,event,…`; the value is a word where nothing was counted.
        let line = report.lines().find(|line| line.contains("instructions"));
        Ok(line.and_then(|line| line.split(',').next()?.parse().ok()))
    }
}
