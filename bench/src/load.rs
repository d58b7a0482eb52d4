//! One scenario against one server under wrk: CPU time per request.

use std::{fmt, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    perf::Perf,
    process::Server,
    usage::{cpu_us, rss_mb},
};

/// Keep-alive connections of the load.
const CONNECTIONS: &str = "64";
/// Seconds of load that are measured; one more warms up.
const SECONDS: &str = "4";

/// Makes what is asked for, and gives its path and the header that opens it.
pub(crate) type Prepare = fn(&Server) -> Result<(String, String)>;

/// What is asked.
pub(crate) struct Scenario {
    pub(crate) path: String,
    pub(crate) header: Option<String>,
    /// What finds out path and header at a server with a database of its own.
    pub(crate) prepare: Option<Prepare>,
    /// For a `POST`: whether its bodies are `valid` or `invalid`, or `keyed`: valid, and each with
    /// an idempotency key of its own.
    pub(crate) post: Option<&'static str>,
}

impl Scenario {
    pub(crate) fn get(path: &str) -> Self {
        Self { path: path.to_owned(), header: None, prepare: None, post: None }
    }

    pub(crate) fn post(mode: &'static str) -> Self {
        Self { path: "/users".to_owned(), header: None, prepare: None, post: Some(mode) }
    }

    /// What this finds at a server, and at every other.
    pub(crate) fn prepared(server: &Server, prepare: Prepare) -> Result<Self> {
        let (path, header) = prepare(server)?;
        Ok(Self { path, header: Some(header), prepare: Some(prepare), post: None })
    }

    pub(crate) fn with_header(mut self, header: &str) -> Self {
        self.header = Some(header.to_owned());
        self
    }
}

/// What it cost.
pub(crate) struct Measured {
    /// Instructions per request, kernel included, where they can be counted.
    pub(crate) instructions: Option<f64>,
    /// CPU microseconds per request of the server process, kernel included. Machines drift, so only
    /// ratios within a round mean anything.
    pub(crate) cpu_us: f64,
    /// Requests per second of the whole machine: load generator and server share it.
    pub(crate) rate: f64,
    /// Resident memory of the server after the run.
    pub(crate) rss_mb: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} us, {:.0}/s", self.cpu_us, self.rate)
    }
}

/// Runs a scenario once.
pub(crate) fn run(server: &Server, scenario: &Scenario) -> Result<Measured> {
    wrk(server, scenario, "1")?;
    let before = cpu_us(server.pid())?;
    let perf = Perf::start(server.pid());
    let (requests, seconds) = wrk(server, scenario, SECONDS)?;
    let instructions = perf.map(Perf::finish).transpose()?.flatten();
    let cpu = cpu_us(server.pid())? - before;
    Ok(Measured {
        instructions: instructions.map(|count| count / requests),
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
