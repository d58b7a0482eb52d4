//! `cargo xtask test`: every check there is, in one order, stopping at the first that fails.
//! `--full` adds what tries new inputs and takes minutes.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    contract, coverage, fuzz,
    setup::{self, Runner},
    workspace::{Workspace, finish},
};

/// Read by the test kit: the folder that each test process adds a file to.
const COVERAGE_VARIABLE: &str = "CONTRACT_COVERAGE";

/// How much is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Usual,
    Full,
}

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
    let runner = step("set up", || Ok(setup::prepare(workspace)))?;
    step("format", || workspace.run(&["cargo", "fmt", "--all", "--", "--check"]))?;
    step("clippy", || {
        let scope = ["cargo", "clippy", "--workspace", "--all-targets"];
        workspace.run(&[&scope[..], &["--", "-D", "warnings"]].concat())
    })?;
    step("tests", || tests(workspace, runner))?;
    step("doc tests", || workspace.run(&["cargo", "test", "--workspace", "--doc"]))?;
    step("contract coverage", || coverage::check(workspace))
}

fn more_steps(workspace: &Workspace) -> Result<()> {
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

fn tests(workspace: &Workspace, runner: Runner) -> Result<()> {
    let coverage = workspace.coverage();
    // A file of an earlier run would hide a code that no test produces any longer.
    empty(&coverage)?;
    finish(workspace.command(runner.command()).env(COVERAGE_VARIABLE, &coverage))
}

fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot empty {}", folder.display()))
        }
        _ => fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display())),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn an_emptied_folder_exists_and_holds_nothing() {
        let folder = env::temp_dir().join(format!("xtask-empty-{}", std::process::id()));
        empty(&folder).expect("a folder that is not there is made");
        fs::write(folder.join("old"), "left over").expect("writable");
        empty(&folder).expect("a folder that is there is emptied");
        assert_eq!(fs::read_dir(&folder).expect("it exists").count(), 0);
        fs::remove_dir(&folder).expect("ours to remove");
    }
}
