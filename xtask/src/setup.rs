//! What the tasks need beyond the toolchain, and how it gets there.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{Workspace, finish};

/// Something that cargo does not build. A server the tests start is one more constant of this type.
struct Need {
    name: &'static str,
    /// Succeeds when it is there.
    present: &'static [&'static str],
    /// Puts it there.
    install: &'static [&'static str],
}

/// Whether a need is met after an attempt to meet it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ready,
    Missing,
}

/// The version this repository's `.config/nextest.toml` was written against.
const NEXTEST: Need = Need {
    name: "cargo-nextest",
    present: &["cargo", "nextest", "--version"],
    install: &["cargo", "install", "cargo-nextest", "--locked", "--version", "0.9.143"],
};

/// What runs the targets of the crate `fuzz`.
const CARGO_FUZZ: Need = Need {
    name: "cargo-fuzz",
    present: &["cargo", "fuzz", "--version"],
    install: &["cargo", "install", "cargo-fuzz", "--locked", "--version", "0.13.2"],
};

/// libFuzzer is C++, which cargo-fuzz compiles.
const CPP: Need = Need {
    name: "a C++ compiler",
    present: &["c++", "--version"],
    install: &["apt-get", "install", "--yes", "g++"],
};

/// Debian keeps the part that makes folders for packages apart from Python itself.
const PYTHON: Need = Need {
    name: "python3 with venv",
    present: &["python3", "-c", "import ensurepip, venv"],
    install: &["apt-get", "install", "--yes", "python3-venv"],
};

/// The pinned schemathesis and what it needs, relative to the root.
const SCHEMATHESIS: &str = "accounts/tests/fuzz/requirements.txt";

impl Need {
    /// Fails with what somebody can do about it.
    fn require(&self, workspace: &Workspace) -> Result<()> {
        let met = self.meet(workspace) == Outcome::Ready;
        let line = self.install.join(" ");
        ensure!(met, "{} is needed here; install it, as with `{line}`", self.name);
        Ok(())
    }

    fn meet(&self, workspace: &Workspace) -> Outcome {
        if workspace.succeeds(self.present) {
            println!("{}: found", self.name);
            return Outcome::Ready;
        }
        println!("{}: not found, installing", self.name);
        match workspace.run(self.install) {
            Ok(()) => Outcome::Ready,
            Err(error) => {
                println!("{}: {error}", self.name);
                Outcome::Missing
            }
        }
    }
}

/// What runs the tests.
#[derive(Clone, Copy)]
pub(crate) enum Runner {
    Nextest,
    /// `cargo test`: the same tests, without nextest's isolation and timeouts.
    Cargo,
}

impl Runner {
    /// The command that runs every test but those in documentation.
    pub(crate) const fn command(self) -> &'static [&'static str] {
        match self {
            Self::Nextest => &["cargo", "nextest", "run", "--workspace", "--profile", "ci"],
            Self::Cargo => {
                &["cargo", "test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]
            }
        }
    }
}

/// Prepares the machine for the test suite.
pub(crate) fn prepare(workspace: &Workspace) -> Runner {
    match NEXTEST.meet(workspace) {
        Outcome::Ready => Runner::Nextest,
        Outcome::Missing => Runner::Cargo,
    }
}

/// Puts cargo-fuzz there.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Result<()> {
    CPP.require(workspace)?;
    CARGO_FUZZ.require(workspace)
}

/// Puts schemathesis into the target folder, and gives the path of its program.
pub(crate) fn schemathesis(workspace: &Workspace) -> Result<PathBuf> {
    PYTHON.require(workspace)?;
    let home = workspace.scratch("schemathesis");
    let python = home.join("bin").join("python");
    if !python.exists() {
        finish(workspace.command(&["python3", "-m", "venv"]).arg(&home))?;
    }
    // A second time this asks nobody and takes a second.
    let mut install = workspace.command(&[&*python.to_string_lossy()]);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    install.args(["--requirement", SCHEMATHESIS]);
    finish(&mut install)
        .context("schemathesis cannot be installed; it needs Python 3.11 or later")?;
    Ok(home.join("bin").join("schemathesis"))
}

/// Runs cargo-deny where somebody has installed it. It needs the network, so `test` leaves it out.
pub(crate) fn deny(workspace: &Workspace) -> Result<()> {
    if !workspace.succeeds(&["cargo", "deny", "--version"]) {
        bail!("cargo-deny is not installed; install it with `cargo install cargo-deny --locked`");
    }
    workspace.run(&["cargo", "deny", "check"])
}
