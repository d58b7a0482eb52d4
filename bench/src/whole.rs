//! All instructions of a request, the kernel's included: measured in an emulated machine whose
//! clock goes one nanosecond forth with each of them, so that CPU time counts them.

use std::{env, fmt::Write as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use mainstay_test_databases::{Durability, PrivatePostgres};

use crate::{
    contest::tell,
    load::{self, Scenario},
    process::{self, Place, Server},
};

/// What `bench/whole/init` calls in that machine.
pub(crate) const COMMAND: &str = "whole";

/// Set there. Elsewhere CPU time counts nothing.
const EMULATED: &str = "BENCH_EMULATED";

/// Rows of the table: names, and thousands of instructions per request.
struct Table(Vec<(&'static str, f64)>);

pub(crate) fn measure(folder: &Path) -> Result<String> {
    ensure!(env::var_os(EMULATED).is_some(), "bench/whole/run.sh makes the machine for this");
    let mut table = Table(Vec::new());
    let embedded = Place::embedded(folder);
    for (name, binary) in [("bare axum, GET", "bare"), ("edge, GET that does nothing", "edge")] {
        table.measure(name, &Server::start(binary, embedded)?, &Scenario::get("/noop"))?;
    }
    let postgres = PrivatePostgres::start(Durability::Risked)?;
    let url = postgres.url();
    let place = Place::at(folder, &url);
    let accounts = Server::start("accounts", place)?;
    let (path, bearer) = process::reader(&accounts)?;
    let signed_in = Scenario::get(&path).with_header(&bearer);
    table.measure("accounts, GET /users/{id}, signed in", &accounts, &signed_in)?;
    drop(accounts);
    let one_statement = Scenario::get(&path);
    let open = Server::start("open_users", place)?;
    table.measure("Mainstay, the same to anybody", &open, &one_statement)?;
    drop(open);
    let by_hand = Server::start("by_hand", place)?;
    table.measure("by hand, the same to anybody", &by_hand, &one_statement)?;
    Ok(table.text())
}

impl Table {
    fn measure(&mut self, name: &'static str, server: &Server, scenario: &Scenario) -> Result<()> {
        // A microsecond is a thousand instructions.
        let thousands = load::run(server, scenario).context(name)?.cpu_us;
        tell(&format!("{name}: {thousands:.1} k instructions"));
        self.0.push((name, thousands));
        Ok(())
    }

    fn text(&self) -> String {
        let mut text =
            String::from("| scenario | k instructions/request | to bare |\n|---|---|---|\n");
        let Some((_, bare)) = self.0.first() else { return text };
        for (name, thousands) in &self.0 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "| {name} | {thousands:.1} | {:.2} |", thousands / bare);
        }
        text
    }
}
