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
use crate::{
    contest::{by_round, tell},
    usage,
};

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
    runs: Vec<Run>,
}

struct Run {
    cost: Cost,
    /// User and system time of the whole server for each statement, its making of connections and
    /// its work for the disk included.
    server_us: f64,
}

/// Where both databases are, with the same tables.
struct Tables<'a> {
    server: &'a PrivatePostgres,
    postgres: Database,
    /// The process that all others of the server are children of.
    process: u32,
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
                let run = tables.measure(row, *statement, folder);
                let run = run.with_context(|| row.name.to_owned())?;
                let (name, clients, rate) = (row.name, row.clients, run.cost.rate);
                tell(&format!("round {round}: {statement:?}: {name}, {clients}: {rate:.0}/s"));
                row.runs.push(run);
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
        ("single statements", Program::Postgres(Way::Single)),
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
        let (backend,): (u32,) = postgres.query_one("SELECT pg_backend_pid()", params![]).await?;
        let process = usage::parent(backend)?;
        Ok(Self { server, postgres, process, sqlite_url, sqlite })
    }

    /// Everybody inserts into an empty table, and no one pays for what was written before.
    async fn reset(&self) -> Result<()> {
        self.postgres.execute("TRUNCATE added", params![]).await?;
        self.postgres.execute("CHECKPOINT", params![]).await?;
        self.sqlite.execute("DELETE FROM added", params![]).await?;
        Ok(())
    }

    fn measure(&self, row: &Row, statement: Statement, folder: &Path) -> Result<Run> {
        let used = usage::family_cpu_us(self.process)?;
        let cost = self.ask(row, statement, folder)?;
        let used = usage::family_cpu_us(self.process)? - used;
        Ok(Run { cost, server_us: used / cost.answered })
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
         | client CPU us each | server CPU us each | for each second of both, ratio likewise \
         | p50 us | p99 us |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {} | {:.1} | {:.1} | {} | {:.0} | {:.0} |",
            row.name,
            row.clients,
            row.median(|run| run.cost.rate),
            by_round(&row.ratios_to(&rows[0], |run| run.cost.rate)),
            row.median(|run| run.cost.cpu_us),
            row.median(|run| run.server_us),
            by_round(&row.ratios_to(&rows[0], Run::for_each_cpu_second)),
            row.median(|run| run.cost.p50_us),
            row.median(|run| run.cost.p99_us),
        );
    }
    text
}

fn verdicts(reads: &[Row]) -> String {
    let on_lanes = |row: &&Row| matches!(row.program, Program::Postgres(Way::Single));
    let lines = reads.iter().filter(on_lanes).map(|row| {
        let times = |value: fn(&Run) -> f64| {
            let ratios = row.ratios_to(&reads[0], value);
            super::verdict(ratios.iter().all(|ratio| *ratio >= RATE_WANTED))
        };
        let clients = row.clients;
        format!(
            "lanes, {clients} clients, at least {RATE_WANTED} times pgbench in a second: {}; in a \
             second of CPU: {}\nlanes, {clients} clients, at most {CPU_US_WANTED} us of CPU: {}",
            times(|run| run.cost.rate),
            times(Run::for_each_cpu_second),
            super::verdict(row.median(|run| run.cost.cpu_us) <= CPU_US_WANTED),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Run {
    /// What client and server could answer if they had a core for themselves. Where other programs
    /// take their share of the machine, this holds longer than a rate.
    fn for_each_cpu_second(&self) -> f64 {
        1e6 / (self.cost.cpu_us + self.server_us)
    }
}

impl Row {
    /// The median of the rounds.
    fn median(&self, field: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// As a multiple of another's, by round.
    fn ratios_to(&self, other: &Self, value: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().zip(&other.runs).map(|(run, other)| value(run) / value(other)).collect()
    }
}
