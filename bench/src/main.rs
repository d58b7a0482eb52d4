//! `cargo xtask bench`: one round after the other, everything that is compared in each of them.

mod group_commit;
mod load;
mod process;
mod startup;

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context as _, Result};
use load::{Measured, Scenario};
use process::Server;

/// Rounds of the side-by-side table; the median is printed.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("edge") {
        side_by_side(folder.path().to_owned())?;
    }
    if wanted("startup") {
        print(&startup::measure(folder.path())?);
    }
    if wanted("group-commit") {
        print(&group_commit::measure(folder.path())?);
    }
    Ok(())
}

/// One row of the table.
struct Row {
    name: &'static str,
    runs: Vec<Measured>,
}

fn side_by_side(folder: PathBuf) -> Result<()> {
    let bare = Server::start("bare", &[], &folder)?;
    let edge = Server::start("edge", &[], &folder)?;
    let accounts = Server::start("accounts", &[], &folder)?;
    let admin = process::admin(&accounts).context("an administrator to read as")?;
    let bearer = format!("Authorization: Bearer {}", admin.token);
    let own_path = format!("/users/{}", admin.id);
    let scenarios = [
        ("bare axum, GET", &bare, Scenario::get("/noop")),
        ("edge, GET that does nothing", &edge, Scenario::get("/noop")),
        ("edge, validated POST", &edge, Scenario::post("valid")),
        ("edge, invalid POST", &edge, Scenario::post("invalid")),
        ("accounts, GET /users/{id}", &accounts, Scenario::get(&own_path).with_header(&bearer)),
        ("accounts, POST /users", &accounts, Scenario::post("valid")),
    ];
    let mut rows: Vec<Row> =
        scenarios.iter().map(|(name, ..)| Row { name, runs: Vec::new() }).collect();
    for round in 0..ROUNDS {
        for (row, (name, server, scenario)) in rows.iter_mut().zip(&scenarios) {
            let measured = load::run(server, scenario).with_context(|| (*name).to_owned())?;
            eprint(&format!("round {round}: {name}: {measured}"));
            row.runs.push(measured);
        }
    }
    print(&table(&rows));
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| scenario | k instructions/request (user) | ratio to bare | CPU us/request | requests/s | RSS MB |\n\
         |---|---|---|---|---|---|\n",
    );
    let floor = rows.first().map_or(1.0, |row| median(row, |run| run.instructions));
    for row in rows {
        let of = |field: fn(&Measured) -> f64| median(row, field);
        let instructions = of(|run| run.instructions);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} ({:.1}) | {:.2} | {:.1} | {:.0} | {:.0} |",
            row.name,
            instructions / 1e3,
            of(|run| run.instructions_user) / 1e3,
            instructions / floor,
            of(|run| run.cpu_us),
            of(|run| run.rate),
            of(|run| run.rss_mb),
        );
    }
    text
}

fn median(row: &Row, field: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = row.runs.iter().map(field).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "the table is the output")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "progress")]
fn eprint(text: &str) {
    eprintln!("{text}");
}
