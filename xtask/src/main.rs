//! `cargo xtask`: what the project does to itself besides building.

#![expect(clippy::print_stdout, reason = "a command line talks to whoever called it")]

mod contract;
mod coverage;
mod fuzz;
mod setup;
mod suite;
#[cfg(test)]
mod tidy;
mod workspace;

use anyhow::{Result, bail};

use crate::{setup::Unreachable, suite::Extent, workspace::Workspace};

const HELP: &str = include_str!("help.txt");

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let workspace = Workspace::locate()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => suite::run(&workspace, Extent::Usual),
        ["test", "--full"] => suite::run(&workspace, Extent::Full),
        ["tidy"] => workspace.run(&["cargo", "test", "--package", "xtask", "tidy"]),
        ["coverage"] => coverage::check(&workspace),
        ["evidence"] => coverage::write_evidence(&workspace),
        ["fuzz-contract", rest @ ..] => contract::command(&workspace, rest),
        ["fuzz", rest @ ..] => fuzz::command(&workspace, rest),
        ["bench", rest @ ..] => workspace.run(&[&["bench/run.sh"], rest].concat()),
        ["deny"] => setup::deny(&workspace, Unreachable::Fails),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        other => bail!("no such task: {}\n{HELP}", other.join(" ")),
    }
}
