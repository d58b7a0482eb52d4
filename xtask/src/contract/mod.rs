//! `cargo xtask fuzz-contract`: schemathesis reads the published contract of the reference service
//! and tries to catch the service in breaking it, as nobody, as a user and as an administrator.

mod report;
mod service;
mod verdict;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::{
    report::Tally,
    service::Service,
    verdict::{Contract, Identity, Run},
};
use crate::{
    setup,
    workspace::{Workspace, empty, finish},
};

/// The same run again and again, so that a change that breaks it is the cause. Any number would do.
pub(crate) const SEED: u32 = 1;

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
    let tool = setup::schemathesis(workspace)?;
    // The profile with checks of overflow, and the one the tests have built already.
    workspace.run(&["cargo", "build", "--package", "accounts"])?;

    let results = workspace.scratch("contract-fuzz");
    empty(&results)?;
    let program = workspace.scratch("debug").join("accounts");
    let service = Service::start(&program, &results.join("service.log"))?;
    let tooling = workspace.root.join(TOOLING);
    let bench = Bench { tool, tooling, program, results, service, seed };
    let contract = bench.publish()?;
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for identity in Identity::ALL {
        println!("\n{} with seed {seed}", identity.name());
        if let Err(error) = bench.attack(identity) {
            problems.push(format!("{}: {error}", identity.name()));
        }
        let report = bench.report(identity);
        let tally = Tally::read(&report)
            .with_context(|| format!("cannot read the report {}", report.display()))?;
        runs.push(Run { identity, tally });
    }
    verdict::print(&contract, &runs);
    problems.extend(verdict::problems(&contract, &runs));
    for problem in &problems {
        println!("{problem}");
    }
    let place = bench.results.display();
    ensure!(problems.is_empty(), "{} problems; reports and log are in {place}", problems.len());
    Ok(())
}

/// The tool, the service and the place for what comes of them.
struct Bench {
    tool: PathBuf,
    tooling: PathBuf,
    program: PathBuf,
    results: PathBuf,
    service: Service,
    seed: u32,
}

impl Bench {
    /// Writes down the contract of what was built, which a test holds against the committed one.
    fn publish(&self) -> Result<Contract> {
        let output = self.service.command(&self.program).env_clear().arg("openapi").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(self.contract(), &output.stdout)?;
        let text = String::from_utf8(output.stdout).context("the contract is not UTF-8")?;
        Contract::parse(&text).context("cannot parse the contract")
    }

    fn contract(&self) -> PathBuf {
        self.results.join("openapi.json")
    }

    fn report(&self, identity: Identity) -> PathBuf {
        self.results.join(format!("{}.ndjson", identity.name()))
    }

    fn attack(&self, identity: Identity) -> Result<()> {
        let url = self.service.url();
        let mut command = self.service.command(&self.tool);
        command.env("FUZZ_IDENTITY", identity.name());
        command.env("FUZZ_PROGRAM", &self.program).env("FUZZ_SERVICE", url);
        // Where the module that signs in is found; it leaves nothing compiled beside itself.
        command.env("PYTHONPATH", &self.tooling).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg("--config-file").arg(self.tooling.join("schemathesis.toml"));
        command.arg("run").arg(self.contract()).args(["--url", url]);
        command.args(["--seed", &self.seed.to_string(), "--no-color"]);
        command.args(["--report", "ndjson", "--report-ndjson-path"]).arg(self.report(identity));
        finish(&mut command)
    }
}
