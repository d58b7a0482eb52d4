//! What can be measured, by name.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{
    cache, group_commit, limiter, log_in, observability, postgres, side_by_side, startup, whole,
};

/// Measures in a folder of its own, and tells the results.
type Part = fn(&Path) -> Result<String>;

const PARTS: &[(&str, Part)] = &[
    ("edge", side_by_side::measure),
    ("observability", observability::measure),
    ("startup", startup::measure),
    ("group-commit", group_commit::measure),
    ("log-in", log_in::measure),
    ("cache", cache::measure),
    ("limiter", limiter::measure),
    ("postgres", postgres::measure),
];

/// Measures everything, or the one part that is named.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let only = match arguments {
        [command, load] if command == postgres::COMMAND => {
            print(&postgres::run_client(load)?);
            return Ok(());
        }
        [command] if command == whole::COMMAND => {
            print(&whole::measure(tempfile::tempdir()?.path())?);
            return Ok(());
        }
        [] => None,
        [only] if PARTS.iter().any(|(name, _)| name == only) => Some(only),
        other => bail!("there is no such part: {}", other.join(" ")),
    };
    let folder = tempfile::tempdir()?;
    for (name, measure) in PARTS {
        if only.is_none_or(|only| only == name) {
            print(&measure(folder.path())?);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are the output")]
fn print(text: &str) {
    println!("{text}");
}
