//! PostgreSQL: single statements beside pgbench and a plain pool, requests beside a service that is
//! made by hand.

mod client;
mod driver;
mod pgbench;
mod requests;
mod statements;

use std::path::Path;

use anyhow::Result;
use mainstay_test_databases::{Durability, PrivatePostgres};

pub(crate) use client::{COMMAND, run as run_client};

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let server = PrivatePostgres::start(Durability::Kept)?;
    let statements = statements::measure(&server, folder)?;
    let requests = requests::measure(&server, folder)?;
    Ok(format!("{statements}\n\n{requests}"))
}

/// Whether a target is reached in every round.
fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "not reached" }
}
