//! What a request costs: one round after the other, every server in each of them.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    callgrind,
    load::{self, Measured, Scenario},
    process::{self, Server},
};

/// Rounds of the side-by-side table; the median is printed.
const ROUNDS: usize = 3;

/// One row of the table.
struct Row {
    name: &'static str,
    instructions: f64,
    runs: Vec<Measured>,
}

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let bare = Server::start("bare", folder)?;
    let edge = Server::start("edge", folder)?;
    let accounts = Server::start("accounts", folder)?;
    let (own_path, bearer) = process::reader(&accounts)?;
    let scenarios = [
        ("bare axum, GET", "bare", &bare, Scenario::get("/noop")),
        ("edge, GET that does nothing", "edge", &edge, Scenario::get("/noop")),
        ("edge, validated POST", "edge", &edge, Scenario::post("valid")),
        ("edge, invalid POST", "edge", &edge, Scenario::post("invalid")),
        (
            "accounts, GET /users/{id}",
            "accounts",
            &accounts,
            Scenario::get(&own_path).with_header(&bearer),
        ),
        ("accounts, POST /users", "accounts", &accounts, Scenario::post("valid")),
    ];
    let mut rows = Vec::new();
    for (name, binary, _, scenario) in &scenarios {
        let instructions = callgrind::user_instructions(binary, scenario, folder)
            .with_context(|| format!("{name}, under callgrind"))?;
        eprint(&format!("{name}: {:.1} k user instructions", instructions / 1e3));
        rows.push(Row { name, instructions, runs: Vec::new() });
    }
    for round in 0..ROUNDS {
        for (row, (name, _, server, scenario)) in rows.iter_mut().zip(&scenarios) {
            let measured = load::run(server, scenario).with_context(|| (*name).to_owned())?;
            eprint(&format!("round {round}: {name}: {measured}"));
            row.runs.push(measured);
        }
    }
    Ok(table(&rows))
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| scenario | k user instructions/request | above bare | k instructions by perf \
         | CPU us/request | CPU ratio to bare, by round | requests/s | RSS MB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let Some(floor) = rows.first() else { return text };
    for row in rows {
        let ratios = row.runs.iter().zip(&floor.runs).map(|(run, floor)| run.cpu_us / floor.cpu_us);
        let ratios: Vec<String> = ratios.map(|ratio| format!("{ratio:.2}")).collect();
        let of = |field: fn(&Measured) -> f64| median(row, field);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:+.1} | {} | {:.1} | {} | {:.0} | {:.0} |",
            row.name,
            row.instructions / 1e3,
            (row.instructions - floor.instructions) / 1e3,
            all_instructions(row),
            of(|run| run.cpu_us),
            ratios.join(" "),
            of(|run| run.rate),
            of(|run| run.rss_mb),
        );
    }
    text
}

/// The median of what perf counted; a dash where it could count nothing.
fn all_instructions(row: &Row) -> String {
    let counted = median(row, |run| run.instructions.unwrap_or(f64::NAN));
    if counted.is_nan() { "-".to_owned() } else { format!("{:.1}", counted / 1e3) }
}

fn median(row: &Row, field: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = row.runs.iter().map(field).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stderr, reason = "progress")]
fn eprint(text: &str) {
    eprintln!("{text}");
}
