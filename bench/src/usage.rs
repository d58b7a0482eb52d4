//! What a process has used, as the kernel counts it in `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// 100 ticks a second on every Linux that Debian ships.
const TICK_US: f64 = 10_000.0;

/// The numbers of a process's `stat` that are used here.
struct Stat {
    parent: u32,
    /// User and system time.
    own_us: f64,
    /// That of its children that have ended and been waited for.
    ended_children_us: f64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before it may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("the stat of a process")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number =
            |index: usize| -> Result<f64> { Ok(fields.get(index).context("a field")?.parse()?) };
        let time_us = |index| anyhow::Ok((number(index)? + number(index + 1)?) * TICK_US);
        Ok(Self {
            parent: number(1)? as u32,
            own_us: time_us(11)?,
            ended_children_us: time_us(13)?,
        })
    }
}

/// User and system time of a process so far.
pub(crate) fn cpu_us(pid: u32) -> Result<f64> {
    Ok(Stat::of(pid)?.own_us)
}

/// User and system time of the children of this process that have ended and been waited for.
pub(crate) fn ended_children_cpu_us() -> Result<f64> {
    Ok(Stat::of(std::process::id())?.ended_children_us)
}

/// The process that has started another.
pub(crate) fn parent(pid: u32) -> Result<u32> {
    Ok(Stat::of(pid)?.parent)
}

/// User and system time of a process and all its children, whether they run or have ended.
pub(crate) fn family_cpu_us(pid: u32) -> Result<f64> {
    loop {
        let head = Stat::of(pid)?;
        let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
        let others = names.filter_map(|name| name.to_str()?.parse().ok());
        // One that has ended meanwhile has nothing to read.
        let others = others.filter_map(|other| Stat::of(other).ok());
        let children_us: f64 =
            others.filter(|stat| stat.parent == pid).map(|stat| stat.own_us).sum();
        let ended_children_us = Stat::of(pid)?.ended_children_us;
        // Otherwise one of them was in neither sum.
        if ended_children_us <= head.ended_children_us {
            return Ok(head.own_us + ended_children_us + children_us);
        }
    }
}

/// Resident memory.
pub(crate) fn rss_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a size")?.parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_counted_while_it_runs_and_after_it_has_ended() {
        let own = std::process::id();
        let mut busy = Command::new("sh");
        busy.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
        let before = family_cpu_us(own).expect("can be read");
        let mut child = busy.spawn().expect("starts");
        assert_eq!(parent(child.id()).expect("can be read"), own);
        while cpu_us(child.id()).expect("runs") < 5.0 * TICK_US {
            std::thread::yield_now();
        }
        let running = family_cpu_us(own).expect("can be read") - before;
        child.kill().expect("runs");
        child.wait().expect("has ended");
        let ended = family_cpu_us(own).expect("can be read") - before;
        assert!(running >= 5.0 * TICK_US && ended >= running, "{running} then {ended}");
        assert!(ended_children_cpu_us().expect("can be read") >= 5.0 * TICK_US);
    }
}
