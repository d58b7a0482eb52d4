//! One scenario against one server: wrk makes the load, perf counts the server's instructions.

use std::{
    fmt, fs,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::process::Server;

/// Keep-alive connections of the load.
const CONNECTIONS: &str = "64";
/// Seconds of load that are measured; one more warms up.
const SECONDS: &str = "4";

/// What is asked.
pub(crate) struct Scenario {
    path: String,
    header: Option<String>,
    /// The script that makes requests, and its mode.
    post: Option<&'static str>,
}

impl Scenario {
    pub(crate) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), header: None, post: None }
    }

    pub(crate) fn post(mode: &'static str) -> Self {
        Self { path: "/users".to_owned(), header: None, post: Some(mode) }
    }

    pub(crate) fn with_header(mut self, header: &str) -> Self {
        self.header = Some(header.to_owned());
        self
    }
}

/// What it cost.
pub(crate) struct Measured {
    /// Instructions per request, kernel included.
    pub(crate) instructions: f64,
    /// Instructions per request in user space.
    pub(crate) instructions_user: f64,
    /// CPU microseconds per request; counting inflates them, so only ratios within a round count.
    pub(crate) cpu_us: f64,
    /// Requests per second of the whole machine: load generator and server share it.
    pub(crate) rate: f64,
    /// Resident memory of the server after the run.
    pub(crate) rss_mb: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousands = self.instructions / 1e3;
        write!(f, "{thousands:.1} k instructions, {:.1} us, {:.0}/s", self.cpu_us, self.rate)
    }
}

/// Runs a scenario once.
pub(crate) fn run(server: &Server, scenario: &Scenario) -> Result<Measured> {
    wrk(server, scenario, "1")?;
    let before = cpu_us(server.pid())?;
    let perf = Command::new("perf")
        .args(["stat", "-x", ",", "-e", "instructions:u,instructions:k", "-p"])
        .arg(server.pid().to_string())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("perf; on Debian: apt-get install linux-perf")?;
    let counted = wrk(server, scenario, SECONDS);
    interrupt(perf.id())?;
    let perf = perf.wait_with_output()?;
    let (requests, seconds) = counted?;
    let cpu = cpu_us(server.pid())? - before;
    let (user, kernel) = instructions(&String::from_utf8_lossy(&perf.stderr))?;
    Ok(Measured {
        instructions: (user + kernel) / requests,
        instructions_user: user / requests,
        cpu_us: cpu / requests,
        rate: requests / seconds,
        rss_mb: rss_mb(server.pid())?,
    })
}

/// Requests answered and the seconds it took.
fn wrk(server: &Server, scenario: &Scenario, seconds: &str) -> Result<(f64, f64)> {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c", CONNECTIONS, "-d", seconds]);
    if let Some(header) = &scenario.header {
        command.args(["-H", header]);
    }
    if let Some(mode) = scenario.post {
        command.args(["-s", "bench/lua/post.lua"]).env("MODE", mode);
    }
    command.arg(format!("http://127.0.0.1:{}{}", server.port, scenario.path));
    let output = command.output().context("wrk; on Debian: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let expected_failure = scenario.post == Some("invalid");
    ensure!(expected_failure || !text.contains("Non-2xx"), "refused under load:\n{text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).context("wrk's summary")?;
    let mut words = line.split_whitespace();
    let requests = words.next().context("a count")?.parse()?;
    let seconds = words.find(|word| word.contains('.') && word.ends_with("s,"));
    let seconds = seconds.context("a time")?.trim_end_matches("s,").parse()?;
    Ok((requests, seconds))
}

fn interrupt(pid: u32) -> Result<()> {
    let status = Command::new("kill").args(["-INT", &pid.to_string()]).status()?;
    ensure!(status.success(), "kill -INT {pid}");
    Ok(())
}

/// `value,unit,event,…` lines of `perf stat -x ,`.
fn instructions(text: &str) -> Result<(f64, f64)> {
    let count = |event: &str| -> Result<f64> {
        let line =
            text.lines().find(|line| line.contains(event)).with_context(|| text.to_owned())?;
        Ok(line.split(',').next().context("a value")?.parse()?)
    };
    Ok((count("instructions:u")?, count("instructions:k")?))
}

/// User and system time so far.
fn cpu_us(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("the stat of a process")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    // 100 ticks a second on every Linux that Debian ships.
    Ok(ticks * 10_000.0)
}

/// Resident memory.
pub(crate) fn rss_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("a size")?.parse()?;
    Ok(kib / 1024.0)
}
