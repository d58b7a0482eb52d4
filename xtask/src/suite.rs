//! `cargo xtask test`: every check there is, in one order, stopping at the first that fails.
//! `--full` adds what needs the network, and what tries new inputs and takes minutes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{
    contract, coverage, fuzz,
    setup::{self, Runner, Unreachable},
    workspace::{Workspace, empty, finish},
};

/// Read by the test kit: the folder that each test process adds a file to.
const COVERAGE_VARIABLE: &str = "CONTRACT_COVERAGE";

/// One run of tests: the engine that keeps their databases, and which tests.
struct Engine {
    name: &'static str,
    /// What the test kit reads from `MAINSTAY_TEST_ENGINE`.
    variable: &'static str,
    /// All, if none is named.
    packages: &'static [&'static str],
    /// Modules that name their engine, or do not depend on it, and have run.
    left_out: &'static [&'static str],
}

/// Everything on the default; what asks for a database once more on the other engine, and again
/// with a pooler in between. The server is started by the first test that needs it, and ends by
/// itself.
const ENGINES: &[Engine] = &[
    Engine { name: "SQLite", variable: "sqlite", packages: &[], left_out: &[] },
    Engine {
        name: "PostgreSQL",
        variable: "postgres",
        packages: &["mainstay-store", "accounts"],
        left_out: &["sqlite", "postgres"],
    },
    Engine {
        name: "PostgreSQL behind PgBouncer",
        variable: "pgbouncer",
        packages: &["mainstay-store", "accounts"],
        // What a browser shows does not depend on what stands before the server.
        left_out: &["sqlite", "postgres", "page"],
    },
];

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Usual,
    Full,
}

/// How many callers vanish in a full run, on each way to PostgreSQL: eight times what is usual.
const DROPS: &str = "100000";

/// How much is read through caches in a full run: the million that the bound is promised for.
const READS: &str = "1000000";

/// Taste: long enough to find again what a change has broken, short enough for four in a row.
const FUZZ_SECONDS: u32 = 20;

/// Runs the suite.
pub(crate) fn run(workspace: &Workspace, extent: Extent) -> Result<()> {
    let start = Instant::now();
    let result = steps(workspace).and_then(|()| match extent {
        Extent::Usual => Ok(()),
        Extent::Full => more_steps(workspace),
    });
    let verdict = if result.is_ok() { "passed" } else { "failed" };
    println!("\n== {verdict} after {}", seconds(start.elapsed()));
    result
}

/// Cheap steps first: a format error should not wait for a build.
fn steps(workspace: &Workspace) -> Result<()> {
    let runner = step("set up", || setup::prepare(workspace))?;
    step("format", || workspace.run(&["cargo", "fmt", "--all", "--", "--check"]))?;
    step("clippy", || {
        let scope = ["cargo", "clippy", "--workspace", "--all-targets"];
        workspace.run(&[&scope[..], &["--", "-D", "warnings"]].concat())
    })?;
    // A file of an earlier run would hide a code that no test produces any longer.
    empty(&workspace.coverage())?;
    for engine in ENGINES {
        step(&format!("tests on {}", engine.name), || tests(workspace, runner, engine))?;
    }
    step("doc tests", || workspace.run(&["cargo", "test", "--workspace", "--doc"]))?;
    step("contract coverage", || coverage::check(workspace))
}

fn more_steps(workspace: &Workspace) -> Result<()> {
    step("callers that vanish", || {
        // Without the time limits of the usual run; all packages, as there.
        let line = ["cargo", "test", "--workspace", "--test", "store", "postgres::dropping::"];
        finish(workspace.command(&line).env("MAINSTAY_TEST_DROPS", DROPS))
    })?;
    step("caches of processes that are killed", || {
        let line = [
            "cargo",
            "test",
            "--workspace",
            "--test",
            "store",
            "cache::processes::nemesis::nobody",
        ];
        finish(workspace.command(&line).env("MAINSTAY_TEST_CACHE_READS", READS))
    })?;
    step("dependencies", || setup::deny(workspace, Unreachable::IsSaid))?;
    step("contract fuzzing", || contract::fuzz(workspace, contract::SEED))?;
    step("fuzzing", || fuzz::all(workspace, FUZZ_SECONDS))
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n== {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("step `{name}` failed"))?;
    println!("-- {name}: {}", seconds(start.elapsed()));
    Ok(result)
}

fn tests(workspace: &Workspace, runner: Runner, engine: &Engine) -> Result<()> {
    let line = runner.command(engine.packages, engine.left_out);
    let mut command = workspace.command(&line.iter().map(String::as_str).collect::<Vec<_>>());
    command.env("MAINSTAY_TEST_ENGINE", engine.variable);
    finish(command.env(COVERAGE_VARIABLE, workspace.coverage()))?;
    for module in engine.left_out {
        println!("left out: the modules `{module}`, which have run");
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
