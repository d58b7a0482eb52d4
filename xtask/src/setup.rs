//! What the tasks need beyond the toolchain, and how it gets there.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, finish};

/// Something that cargo does not build.
struct Need {
    name: &'static str,
    /// Succeeds when it is there.
    present: &'static [&'static str],
    /// Puts it there.
    install: &'static [&'static str],
}

/// Installs packages of Debian, after a look at what there is.
macro_rules! debian {
    ($packages:literal) => {
        &[
            "sh",
            "-c",
            concat!(
                "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes ",
                $packages
            ),
        ]
    };
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

/// The version this repository's `deny.toml` was written against.
const CARGO_DENY: Need = Need {
    name: "cargo-deny",
    present: &["cargo", "deny", "--version"],
    install: &["cargo", "install", "cargo-deny", "--locked", "--version", "0.20.2"],
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

/// The server that the tests start by themselves. Debian keeps its programs off the `PATH`, and
/// makes the account that runs it where root runs the tests.
const POSTGRES: Need = Need {
    name: "a PostgreSQL server",
    present: &["sh", "-c", "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb"],
    install: debian!("postgresql"),
};

/// The pooler that the tests put in front of it. It runs as the same account, and where Debian puts
/// it is not on everybody's `PATH`.
const PGBOUNCER: Need = Need {
    name: "PgBouncer",
    present: &["sh", "-c", "command -v pgbouncer || ls /usr/sbin/pgbouncer"],
    install: debian!("pgbouncer"),
};

/// What the tests start to share state in. Debian starts one of its own with it, at a port that no
/// test uses.
const REDIS: Need = Need {
    name: "Redis",
    present: &["sh", "-c", "command -v redis-server || command -v valkey-server"],
    install: debian!("redis-server"),
};

/// The browser that looks at the console, and what tells it what to do.
const CHROMIUM: Need = Need {
    name: "Chromium and its driver",
    present: &["sh", "-c", "command -v chromium && command -v chromedriver"],
    install: debian!("chromium chromium-driver"),
};

/// What shows a process another time of day.
const FAKETIME: Need = Need {
    name: "libfaketime",
    present: &["sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1"],
    install: debian!("faketime"),
};

/// The pinned schemathesis and what it needs, relative to the root.
const SCHEMATHESIS: &str = "accounts/tests/fuzz/requirements.txt";

impl Need {
    /// Fails with what somebody can do about it.
    fn require(&self, workspace: &Workspace) -> Result<()> {
        let met = self.meet(workspace) == Outcome::Ready;
        let line = self.install.iter().filter(|word| !["sh", "-c"].contains(word));
        let line = line.copied().collect::<Vec<_>>().join(" ");
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
    /// The command that runs every test but those in documentation; of these packages only, if any
    /// is named, and without modules of these names.
    pub(crate) fn command(self, packages: &[&str], left_out: &[&str]) -> Vec<String> {
        let (start, rest) = match self {
            // All packages are built, so that no dependency is built again with fewer features.
            Self::Nextest => (
                "cargo nextest run --workspace --profile ci",
                match (packages.join("$|^"), left_out.join("|")) {
                    (all, none) if all.is_empty() && none.is_empty() => vec![],
                    (packages, modules) => {
                        let modules = format!("not test(/(^|::)({modules})::/)");
                        vec!["-E".to_owned(), format!("package(/^{packages}$/) and {modules}")]
                    }
                },
            ),
            Self::Cargo => (
                "cargo test --no-fail-fast --lib --bins --tests",
                match packages {
                    [] => vec!["--workspace".to_owned()],
                    _ => packages.iter().map(|name| format!("--package={name}")).collect(),
                },
            ),
        };
        let mut line: Vec<String> = start.split(' ').map(str::to_owned).chain(rest).collect();
        if let Self::Cargo = self {
            line.push("--".to_owned());
            line.extend(left_out.iter().map(|name| format!("--skip={name}::")));
        }
        line
    }
}

/// Prepares the machine for the test suite.
pub(crate) fn prepare(workspace: &Workspace) -> Result<Runner> {
    POSTGRES.require(workspace)?;
    PGBOUNCER.require(workspace)?;
    REDIS.require(workspace)?;
    CHROMIUM.require(workspace)?;
    FAKETIME.require(workspace)?;
    Ok(match NEXTEST.meet(workspace) {
        Outcome::Ready => Runner::Nextest,
        Outcome::Missing => Runner::Cargo,
    })
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

/// What happens where the database of advisories cannot be fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreachable {
    Fails,
    IsSaid,
}

/// Holds the dependencies against `deny.toml`, and against the advisories, which are fetched.
pub(crate) fn deny(workspace: &Workspace, unreachable: Unreachable) -> Result<()> {
    CARGO_DENY.require(workspace)?;
    workspace.run(&["cargo", "deny", "check", "bans", "licenses", "sources"])?;
    if unreachable == Unreachable::IsSaid && !workspace.succeeds(&["cargo", "deny", "fetch", "db"])
    {
        println!("left out: the advisories, whose database cannot be fetched here");
        return Ok(());
    }
    workspace.run(&["cargo", "deny", "check", "advisories"])
}
