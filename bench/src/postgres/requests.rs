//! `GET /users/{id}` beside a service that is made by hand: all of them on the same database.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use mainstay_test_databases::PrivatePostgres;

use crate::{
    contest::{self, Contender, Row, by_round},
    load::Scenario,
    process::{self, Place, Server},
};

/// What a request of the reference service is to cost at most: user instructions, and CPU time as a
/// share of what is made by hand. The project's own targets.
const INSTRUCTIONS_WANTED: f64 = 70_000.0;
const SHARE_WANTED: f64 = 0.5;

pub(super) fn measure(server: &PrivatePostgres, folder: &Path) -> Result<String> {
    let url = server.url();
    let place = Place::at(folder, &url);
    // First: it makes the tables.
    let accounts = Server::start("accounts", place)?;
    let open_users = Server::start("open_users", place)?;
    let by_hand = Server::start("by_hand", place)?;
    let (path, bearer) = process::reader(&accounts)?;
    let open = || Scenario::get(&path);
    let signed_in = |path: &str| Scenario::get(path).with_header(&bearer);
    let contender = |name, binary, server, scenario| Contender { name, binary, server, scenario };
    let rows = contest::run(
        &[
            contender("by hand, one statement", "by_hand", &by_hand, open()),
            contender("Mainstay, one statement", "open_users", &open_users, open()),
            contender(
                "by hand, signed in: three statements",
                "by_hand",
                &by_hand,
                signed_in(&format!("/signed-in{path}")),
            ),
            contender(
                "accounts, signed in: one statement, the rest from memory",
                "accounts",
                &accounts,
                signed_in(&path),
            ),
        ],
        place,
    )?;
    Ok(table(&rows))
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| GET /users/{id} | k user instructions/request | k instructions by perf \
         | CPU us/request | CPU ratio to by hand, one statement | CPU ratio to by hand, signed in \
         alike | requests/s | RSS MB |\n|---|---|---|---|---|---|---|---|\n",
    );
    let [one_by_hand, _, three_by_hand, accounts] = rows else { return text };
    for (index, row) in rows.iter().enumerate() {
        let like = if index < 2 { one_by_hand } else { three_by_hand };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {:.1} | {} | {} | {:.0} | {:.0} |",
            row.name,
            row.instructions / 1e3,
            row.all_instructions(),
            row.median(|run| run.cpu_us),
            by_round(&row.cpu_ratios(one_by_hand)),
            by_round(&row.cpu_ratios(like)),
            row.median(|run| run.rate),
            row.median(|run| run.rss_mb),
        );
    }
    let share = accounts.cpu_ratios(one_by_hand);
    let _ = write!(
        text,
        "\naccounts, at most {:.0} k user instructions: {}\n\
         accounts, at most {SHARE_WANTED} of the CPU of by hand, one statement: {}",
        INSTRUCTIONS_WANTED / 1e3,
        super::verdict(accounts.instructions <= INSTRUCTIONS_WANTED),
        super::verdict(share.iter().all(|share| *share <= SHARE_WANTED)),
    );
    text
}
