//! A point read and an insert by every way to a database, in rounds.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};
use mainstay_store::{Database, params};
use mainstay_test_databases::PrivatePostgres;

use super::{
    client::{self, Cost, Load, Statement, Way},
    driver::{self, BODY, ROWS},
    pgbench,
};
use crate::contest::{by_round, tell};

const ROUNDS: usize = 3;

/// Seconds of each measurement.
const SECONDS: u64 = 3;

/// A pool's usual size, and more than that.
const FEW: usize = 20;
const MANY: usize = 64;

/// What a point read on lanes is to reach: a multiple of pgbench's rate, and CPU time at most. The
/// project's own targets.
const RATE_WANTED: f64 = 1.3;
const CPU_US_WANTED: f64 = 10.0;

#[derive(Clone, Copy)]
enum Program {
    Pgbench,
    Postgres(Way),
    Sqlite,
}

struct Row {
    name: &'static str,
    program: Program,
    clients: usize,
    runs: Vec<Cost>,
}

/// Where both databases are, with the same tables.
struct Tables<'a> {
    server: &'a PrivatePostgres,
    postgres: Database,
    sqlite_url: String,
    sqlite: Database,
}

pub(super) fn measure(server: &PrivatePostgres, folder: &Path) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tables = runtime.block_on(Tables::make(server, folder))?;
    let mut text = String::new();
    let mut tried = [(Statement::Read, rows()), (Statement::Insert, rows())];
    for round in 0..ROUNDS {
        for (statement, rows) in &mut tried {
            for row in rows {
                runtime.block_on(tables.reset())?;
                let cost = tables.ask(row, *statement, folder);
                let cost = cost.with_context(|| row.name.to_owned())?;
                tell(&format!(
                    "round {round}: {statement:?}: {}, {}: {cost:?}",
                    row.name, row.clients
                ));
                row.runs.push(cost);
            }
        }
    }
    for (statement, rows) in &tried {
        text += &table(*statement, rows);
        text.push('\n');
    }
    let [(_, reads), _] = &tried;
    Ok(text + &verdicts(reads))
}

fn rows() -> Vec<Row> {
    let programs = [
        ("pgbench, a connection each", Program::Pgbench),
        ("lanes", Program::Postgres(Way::Single)),
        ("transactions, pool of 20", Program::Postgres(Way::Transactions)),
        ("sqlx, pool of 20", Program::Postgres(Way::Sqlx)),
        ("SQLite in the process", Program::Sqlite),
    ];
    let all = [FEW, MANY].into_iter().flat_map(|clients| {
        programs.map(|(name, program)| Row { name, program, clients, runs: Vec::new() })
    });
    all.collect()
}

impl<'a> Tables<'a> {
    async fn make(server: &'a PrivatePostgres, folder: &Path) -> Result<Self> {
        let sqlite_url = format!("sqlite:{}", folder.join("statements.db").display());
        let postgres = driver::open(&server.url()).await?;
        let sqlite = driver::open(&sqlite_url).await?;
        for database in [&postgres, &sqlite] {
            let create = "CREATE TABLE entries (id bigint PRIMARY KEY, body text NOT NULL)";
            database.execute(create, params![]).await?;
            let create = "CREATE TABLE added (id bigint PRIMARY KEY, body text NOT NULL)";
            database.execute(create, params![]).await?;
            let fill = "INSERT INTO entries (id, body) WITH RECURSIVE numbers (n) AS \
                        (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) \
                        SELECT n, $2 FROM numbers";
            database.execute(fill, params![ROWS, BODY]).await?;
        }
        postgres.execute("VACUUM ANALYZE entries", params![]).await?;
        Ok(Self { server, postgres, sqlite_url, sqlite })
    }

    /// Everybody inserts into an empty table, and no one pays for what was written before.
    async fn reset(&self) -> Result<()> {
        self.postgres.execute("TRUNCATE added", params![]).await?;
        self.postgres.execute("CHECKPOINT", params![]).await?;
        self.sqlite.execute("DELETE FROM added", params![]).await?;
        Ok(())
    }

    fn ask(&self, row: &Row, statement: Statement, folder: &Path) -> Result<Cost> {
        let load = |way| Load { way, statement, clients: row.clients, seconds: SECONDS };
        match row.program {
            Program::Pgbench => {
                pgbench::measure(self.server, folder, statement, row.clients, SECONDS)
            }
            Program::Postgres(way) => client::measure(&self.server.url(), load(way)),
            Program::Sqlite => client::measure(&self.sqlite_url, load(Way::Single)),
        }
    }
}

fn table(statement: Statement, rows: &[Row]) -> String {
    let what = match statement {
        Statement::Read => "point read",
        Statement::Insert => "insert",
    };
    let mut text = format!(
        "| {what} | clients | per second | ratio to pgbench with {FEW} connections, by round \
         | with one for each client | client CPU us each | p50 us | p99 us |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        // pgbench is the first of each number of clients.
        let like = rows.iter().find(|other| other.clients == row.clients).unwrap_or(row);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {} | {} | {:.1} | {:.0} | {:.0} |",
            row.name,
            row.clients,
            row.median(|cost| cost.rate),
            by_round(&row.rate_ratios(&rows[0])),
            by_round(&row.rate_ratios(like)),
            row.median(|cost| cost.cpu_us),
            row.median(|cost| cost.p50_us),
            row.median(|cost| cost.p99_us),
        );
    }
    text
}

fn verdicts(reads: &[Row]) -> String {
    let on_lanes = |row: &&Row| matches!(row.program, Program::Postgres(Way::Single));
    let lines = reads.iter().filter(on_lanes).map(|row| {
        let ratios = row.rate_ratios(&reads[0]);
        let cpu_us = row.median(|cost| cost.cpu_us);
        format!(
            "lanes, {} clients, at least {RATE_WANTED} times pgbench: {}\n\
             lanes, {} clients, at most {CPU_US_WANTED} us of CPU: {}",
            row.clients,
            super::verdict(ratios.iter().all(|ratio| *ratio >= RATE_WANTED)),
            row.clients,
            super::verdict(cpu_us <= CPU_US_WANTED),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Row {
    /// The median of the rounds.
    fn median(&self, field: impl Fn(&Cost) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn rate_ratios(&self, other: &Self) -> Vec<f64> {
        self.runs.iter().zip(&other.runs).map(|(run, other)| run.rate / other.rate).collect()
    }
}
