//! `cargo xtask`: what the project does to itself besides building.

#![expect(clippy::print_stdout, reason = "a command line talks to whoever called it")]

mod coverage;
mod setup;
mod suite;
#[cfg(test)]
mod tidy;
mod workspace;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask test       everything: set-up, format, clippy, tests, doc tests, contract coverage
cargo xtask tidy       the rules about edges, layers, sizes and hygiene
cargo xtask coverage   which error codes and evidence the last test run did not produce
cargo xtask evidence   write accounts/tested.tsv from what the last test run produced
cargo xtask bench …    bench/run.sh with the remaining arguments
cargo xtask deny       licences, bans and advisories of the dependencies";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let workspace = Workspace::locate()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => suite::run(&workspace),
        ["tidy"] => workspace.run(&["cargo", "test", "--package", "xtask", "tidy"]),
        ["coverage"] => coverage::check(&workspace),
        ["evidence"] => coverage::write_evidence(&workspace),
        ["bench", rest @ ..] => workspace.run(&[&["bench/run.sh"], rest].concat()),
        ["deny"] => setup::deny(&workspace),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("no such task: {}\n{HELP}", other.join(" ")),
    }
}
