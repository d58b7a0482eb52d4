//! `cargo xtask fuzz-contract`: schemathesis reads the published contract of the reference service
//! and tries to catch the service in breaking it, as nobody, as a user and as an administrator.

mod report;
mod service;
mod verdict;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use self::{
    report::Tally,
    service::Service,
    verdict::{Contract, Identity, Run},
};
use crate::{
    setup,
    workspace::{Workspace, finish},
};

/// The same run again and again, so that a change that breaks it is the cause. Any number would do.
pub(crate) const SEED: u32 = 1;

/// Published, and held by a test against what the service serves.
const CONTRACT: &str = "accounts/openapi.json";

/// The configuration of the tool and the module that signs in.
const TOOLING: &str = "accounts/tests/fuzz";

/// Runs what the command line asks for.
pub(crate) fn command(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => fuzz(workspace, SEED),
        ["--seed", seed] => fuzz(workspace, seed.parse().context("--seed takes a number")?),
        other => bail!("expected [--seed N], found {}", other.join(" ")),
    }
}

/// Runs the tool once per identity on one service. All of them run, whatever they find.
pub(crate) fn fuzz(workspace: &Workspace, seed: u32) -> Result<()> {
    let contract = fs::read_to_string(workspace.root.join(CONTRACT))
        .with_context(|| format!("cannot read {CONTRACT}"))?;
    let contract =
        Contract::parse(&contract).with_context(|| format!("cannot parse {CONTRACT}"))?;
    let tool = setup::schemathesis(workspace)?;
    // The profile with checks of overflow, and the one the tests have built already.
    workspace.run(&["cargo", "build", "--package", "accounts"])?;

    let results = workspace.scratch("contract-fuzz");
    fs::create_dir_all(&results)?;
    let program = workspace.scratch("debug").join("accounts");
    let service = Service::start(&program, &results.join("service.log"))?;
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for identity in Identity::ALL {
        println!("\n{} with seed {seed}", identity.name());
        let report = results.join(format!("{}.ndjson", identity.name()));
        let mut command = service.command(&tool);
        command.env("FUZZ_IDENTITY", identity.name()).env("FUZZ_PROGRAM", &program);
        arguments(&mut command, workspace, &service, &report, seed);
        if let Err(error) = finish(&mut command) {
            problems.push(format!("{}: {error}", identity.name()));
        }
        let tally = Tally::read(&report)
            .with_context(|| format!("cannot read the report {}", report.display()))?;
        runs.push(Run { identity, tally });
    }
    verdict::print(&contract, &runs);
    problems.extend(verdict::problems(&contract, &runs));
    for problem in &problems {
        println!("{problem}");
    }
    let place = results.display();
    ensure!(problems.is_empty(), "{} problems; reports and log are in {place}", problems.len());
    Ok(())
}

fn arguments(
    command: &mut Command,
    workspace: &Workspace,
    service: &Service,
    report: &Path,
    seed: u32,
) {
    let tooling = workspace.root.join(TOOLING);
    command.env("FUZZ_SERVICE", service.url());
    // Where the module that signs in is found; it leaves nothing compiled beside itself.
    command.env("PYTHONPATH", &tooling).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--config-file").arg(tooling.join("schemathesis.toml"));
    command.arg("run").arg(workspace.root.join(CONTRACT)).args(["--url", service.url()]);
    command.args(["--seed", &seed.to_string(), "--no-color"]);
    command.args(["--report", "ndjson", "--report-ndjson-path"]).arg(report);
}
