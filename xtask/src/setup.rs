//! What the tasks need beyond the toolchain, and how it gets there.

use anyhow::{Result, bail};

use crate::workspace::Workspace;

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

impl Need {
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

/// Runs cargo-deny where somebody has installed it. It needs the network, so `test` leaves it out.
pub(crate) fn deny(workspace: &Workspace) -> Result<()> {
    if !workspace.succeeds(&["cargo", "deny", "--version"]) {
        bail!("cargo-deny is not installed; install it with `cargo install cargo-deny --locked`");
    }
    workspace.run(&["cargo", "deny", "check"])
}
