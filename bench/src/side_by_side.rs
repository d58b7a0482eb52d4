//! What a request costs, beside bare axum.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use crate::{
    contest::{self, Contender, Row, by_round},
    load::Scenario,
    process::{self, Place, Server},
};

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let place = Place::embedded(folder);
    let bare = Server::start("bare", place)?;
    let edge = Server::start("edge", place)?;
    let accounts = Server::start("accounts", place)?;
    let contender = |name, binary, server, scenario| Contender { name, binary, server, scenario };
    let rows = contest::run(
        &[
            contender("bare axum, GET", "bare", &bare, Scenario::get("/noop")),
            contender("edge, GET that does nothing", "edge", &edge, Scenario::get("/noop")),
            contender("edge, validated POST", "edge", &edge, Scenario::post("valid")),
            contender("edge, invalid POST", "edge", &edge, Scenario::post("invalid")),
            contender(
                "accounts, GET /users/{id}",
                "accounts",
                &accounts,
                Scenario::prepared(&accounts, process::reader)?,
            ),
            contender(
                "accounts, GET /flags/{key}/evaluation",
                "accounts",
                &accounts,
                Scenario::prepared(&accounts, process::evaluator)?,
            ),
            contender("accounts, POST /users", "accounts", &accounts, Scenario::post("valid")),
            contender(
                "accounts, POST /users with a key",
                "accounts",
                &accounts,
                Scenario::post("keyed"),
            ),
        ],
        place,
    )?;
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
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:+.1} | {} | {:.1} | {} | {:.0} | {:.0} |",
            row.name,
            row.instructions / 1e3,
            (row.instructions - floor.instructions) / 1e3,
            row.all_instructions(),
            row.median(|run| run.cpu_us),
            by_round(&row.cpu_ratios(floor)),
            row.median(|run| run.rate),
            row.median(|run| run.rss_mb),
        );
    }
    text
}
