//! What a process has used, as the kernel counts it in `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// 100 ticks a second on every Linux that Debian ships.
const TICK_US: f64 = 10_000.0;

/// User and system time of a process so far.
pub(crate) fn cpu_us(pid: u32) -> Result<f64> {
    Ok(ticks(pid, 11)? * TICK_US)
}

/// User and system time of the children of this process that have ended and been waited for.
pub(crate) fn ended_children_cpu_us() -> Result<f64> {
    Ok(ticks(std::process::id(), 13)? * TICK_US)
}

/// The sum of two neighbouring fields of a process's `stat`, counted after its name.
fn ticks(pid: u32, first: usize) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("the stat of a process")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Ok(fields[first].parse::<f64>()? + fields[first + 1].parse::<f64>()?)
}

/// Resident memory.
pub(crate) fn rss_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a size")?.parse()?;
    Ok(kib / 1024.0)
}
