//! A process of its own for each client that is measured, so that its CPU time is its own.

use std::{
    env,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::driver::{Driver, ROWS, Single, Sqlx, Transactions};
use crate::usage;

/// The first argument of a process that is a client.
pub(crate) const COMMAND: &str = "client";

/// Connects, prepares and fills caches before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a client is to do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Load {
    pub(super) way: Way,
    pub(super) statement: Statement,
    /// How many ask at a time.
    pub(super) clients: usize,
    pub(super) seconds: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) enum Way {
    Single,
    Transactions,
    Sqlx,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) enum Statement {
    Read,
    Insert,
}

/// What it cost.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Cost {
    /// Statements a second, of the whole machine: client and server share it.
    pub(super) rate: f64,
    /// User and system time of the client process for each statement.
    pub(super) cpu_us: f64,
    /// All that were answered since the process began.
    pub(super) answered: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

impl Cost {
    pub(super) fn new(
        mut took_us: Vec<u32>,
        rate: f64,
        cpu_us: f64,
        answered: f64,
    ) -> Result<Self> {
        took_us.sort_unstable();
        let at = |share: f64| {
            let index = (took_us.len() as f64 * share) as usize;
            took_us.get(index).copied().map(f64::from).context("nothing was answered")
        };
        Ok(Self { rate, cpu_us, answered, p50_us: at(0.5)?, p99_us: at(0.99)? })
    }
}

/// Runs a client against a database, as a process.
pub(super) fn measure(url: &str, load: Load) -> Result<Cost> {
    let mut command = Command::new(env::current_exe()?);
    command.args([COMMAND, &serde_json::to_string(&load)?]).env("DATABASE_URL", url);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "a client failed: {load:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Is such a process.
#[expect(clippy::disallowed_methods, reason = "the address has a password; arguments are public")]
pub(crate) fn run(load: &str) -> Result<String> {
    let load: Load = serde_json::from_str(load)?;
    let url = env::var("DATABASE_URL")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cost = runtime.block_on(async {
        match load.way {
            Way::Single => ask(Single::open(&url).await?, load).await,
            Way::Transactions => ask(Transactions::open(&url).await?, load).await,
            Way::Sqlx => ask(Sqlx::open(&url).await?, load).await,
        }
    })?;
    Ok(serde_json::to_string(&cost)?)
}

async fn ask(driver: impl Driver, load: Load) -> Result<Cost> {
    let before = ask_for(driver.clone(), load, WARM_UP).await?.len() as f64;
    let used = usage::cpu_us(std::process::id())?;
    let start = Instant::now();
    let took_us = ask_for(driver, load, Duration::from_secs(load.seconds)).await?;
    let seconds = start.elapsed().as_secs_f64();
    let used = usage::cpu_us(std::process::id())? - used;
    let answered = took_us.len() as f64;
    Cost::new(took_us, answered / seconds, used / answered, before + answered)
}

/// How long each answer took, in microseconds.
async fn ask_for(driver: impl Driver, load: Load, duration: Duration) -> Result<Vec<u32>> {
    let end = Instant::now() + duration;
    let client = || {
        let driver = driver.clone();
        tokio::spawn(async move {
            let mut took_us = Vec::new();
            let mut begun = Instant::now();
            while begun < end {
                match load.statement {
                    Statement::Read => driver.read(fastrand::i64(1..=ROWS)).await?,
                    // Among so many that none is drawn twice.
                    Statement::Insert => driver.insert(fastrand::i64(ROWS + 1..i64::MAX)).await?,
                }
                let answered = Instant::now();
                took_us.push((answered - begun).as_micros() as u32);
                begun = answered;
            }
            anyhow::Ok(took_us)
        })
    };
    let clients: Vec<_> = (0..load.clients).map(|_| client()).collect();
    let mut all = Vec::new();
    for client in clients {
        all.append(&mut client.await??);
    }
    if all.is_empty() {
        bail!("nothing was answered");
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_answers_in_order() {
        let took_us = (1..=100).rev().collect();
        let cost = Cost::new(took_us, 1.0, 1.0, 100.0).expect("something was answered");
        assert_eq!((cost.p50_us as u32, cost.p99_us as u32), (51, 100));
        Cost::new(Vec::new(), 1.0, 1.0, 0.0).expect_err("nothing was answered");
    }
}
