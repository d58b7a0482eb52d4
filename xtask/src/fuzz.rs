//! `cargo xtask fuzz`: libFuzzer invents inputs for the targets of the crate `fuzz`.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    setup,
    workspace::{Workspace, finish},
};

/// The kept inputs, in one folder per target; relative to the root.
const CORPUS: &str = "fuzz/corpus";

/// The crate of the entry points, relative to the root.
const TARGETS: &str = "fuzz/targets";

/// Taste: time for a million inputs and more, and short enough to be run before a push.
const SECONDS: u32 = 30;

/// What is asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    /// All of them if it is `None`.
    target: Option<&'a str>,
    seconds: u32,
}

impl<'a> Request<'a> {
    fn parse(arguments: &[&'a str]) -> Result<Self> {
        let (target, rest) = match arguments {
            [target, rest @ ..] if !target.starts_with('-') => (Some(*target), rest),
            rest => (None, rest),
        };
        let seconds = match rest {
            [] => SECONDS,
            ["--seconds", seconds] => seconds.parse().context("--seconds takes a number")?,
            _ => bail!("expected [TARGET] [--seconds N], found {}", arguments.join(" ")),
        };
        // libFuzzer takes 0 for "for ever".
        ensure!(seconds > 0, "--seconds takes a number above 0");
        Ok(Self { target, seconds })
    }
}

/// Runs what the command line asks for.
pub(crate) fn command(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let Request { target, seconds } = Request::parse(arguments)?;
    let Some(target) = target else { return all(workspace, seconds) };
    let known = targets(workspace)?;
    ensure!(known.iter().any(|name| name == target), "the targets are {}", known.join(", "));
    setup::cargo_fuzz(workspace)?;
    one(workspace, target, seconds)
}

/// Runs every target for so many seconds, and stops at the first finding.
pub(crate) fn all(workspace: &Workspace, seconds: u32) -> Result<()> {
    setup::cargo_fuzz(workspace)?;
    targets(workspace)?.iter().try_for_each(|target| one(workspace, target, seconds))
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folders = fs::read_dir(workspace.root.join(CORPUS))
        .with_context(|| format!("cannot read {CORPUS}"))?;
    let names = folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn one(workspace: &Workspace, target: &str, seconds: u32) -> Result<()> {
    let kept = Path::new(CORPUS).join(target);
    // The fuzzer adds what it finds interesting to the first folder it is given.
    let found = workspace.scratch("fuzz-corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    let findings = workspace.scratch("fuzz-findings");
    fs::create_dir_all(&findings)?;
    let mut command = workspace.command(&["cargo", "fuzz", "run", "--fuzz-dir", TARGETS]);
    // Sanitizers are the one part that wants a nightly compiler, and they look for what unsafe code
    // does; here is none of it.
    command.args(["--sanitizer", "none", "--target-dir"]).arg(workspace.scratch("fuzz"));
    command.arg(target).args([&found, &kept]).arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    // Else there is a line for every input that reached something new.
    command.args(["-verbosity=0", "-print_final_stats=1"]);
    // The last one counts for libFuzzer, and cargo-fuzz passes one of its own first.
    command.arg(format!("-artifact_prefix={}/{target}-", findings.display()));
    finish(&mut command).with_context(|| {
        format!(
            "fix it, and keep the input, which is in {}, in {CORPUS}/{target}",
            findings.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_may_be_named() {
        let request = |target, seconds| Request { target, seconds };
        for (arguments, expected) in [
            (&[] as &[_], request(None, SECONDS)),
            (&["trace"], request(Some("trace"), SECONDS)),
            (&["--seconds", "5"], request(None, 5)),
            (&["trace", "--seconds", "5"], request(Some("trace"), 5)),
        ] {
            assert_eq!(Request::parse(arguments).expect("well formed"), expected);
        }
        for wrong in [&["a", "b"] as &[_], &["--seconds"], &["--seconds", "0"], &["--hours", "1"]] {
            assert!(Request::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
