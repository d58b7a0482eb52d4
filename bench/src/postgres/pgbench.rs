//! PostgreSQL's own client for measurements, with the same statements on the same tables.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use mainstay_test_databases::PrivatePostgres;

use super::{
    client::{Cost, Statement},
    driver::{BODY, ROWS},
};
use crate::usage;

/// Of its transactions, the share whose time it writes down: enough for a 99th percentile, and
/// little work beside the statements.
const LOGGED: &str = "0.05";

/// Runs it with a connection for each of its clients.
pub(super) fn measure(
    server: &PrivatePostgres,
    folder: &Path,
    statement: Statement,
    connections: usize,
    seconds: u64,
) -> Result<Cost> {
    let script = folder.join("pgbench.sql");
    fs::write(&script, text(statement))?;
    // A folder for each run: the name of its file has its process id.
    let log = tempfile::tempdir_in(folder)?;
    let (url, password) = without_password(&server.url())?;
    let used = usage::ended_children_cpu_us()?;
    let mut command = Command::new(server.program("pgbench"));
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
    command.args(["--client", &connections.to_string(), "--time", &seconds.to_string()]);
    command.args(["--log", "--sampling-rate", LOGGED, "--log-prefix"]).arg(log.path().join("log"));
    command.arg("--file").arg(&script).arg(url).env("PGPASSWORD", password);
    let output = command.output().context("pgbench; on Debian: apt-get install postgresql")?;
    let used = usage::ended_children_cpu_us()? - used;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed:\n{said}");
    let report = String::from_utf8_lossy(&output.stdout);
    let answered: f64 = number(&report, "number of transactions actually processed: ")?;
    Cost::new(times(log.path())?, number(&report, "tps = ")?, used / answered, answered)
}

fn text(statement: Statement) -> String {
    match statement {
        Statement::Read => {
            format!("\\set id random(1, {ROWS})\nSELECT id, body FROM entries WHERE id = :id;\n")
        }
        Statement::Insert => format!(
            "\\set id random({}, {})\nINSERT INTO added (id, body) VALUES (:id, '{BODY}');\n",
            ROWS + 1,
            i64::MAX
        ),
    }
}

/// Other people can read the arguments of a process, and not its environment.
fn without_password(url: &str) -> Result<(String, String)> {
    let (user, place) = url.rsplit_once('@').context("an address with a password")?;
    let (user, password) = user.rsplit_once(':').context("an address with a password")?;
    Ok((format!("{user}@{place}"), password.to_owned()))
}

fn number(report: &str, before: &str) -> Result<f64> {
    let line = report.lines().find_map(|line| line.strip_prefix(before));
    let number = line.and_then(|line| line.split([' ', '/']).next());
    Ok(number.with_context(|| format!("`{before}` in:\n{report}"))?.parse()?)
}

/// The times that were written down: each line is `client transaction time …`.
fn times(folder: &Path) -> Result<Vec<u32>> {
    let mut times = Vec::new();
    for file in fs::read_dir(folder)? {
        let path: PathBuf = file?.path();
        for line in fs::read_to_string(path)?.lines() {
            times.push(line.split(' ').nth(2).context("a time")?.parse()?);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_a_report() {
        let report = "number of transactions actually processed: 9173\n\
                      tps = 4587.2 (without initial connection time)\n";
        let answered = number(report, "number of transactions actually processed: ");
        assert_eq!(answered.expect("is there").to_string(), "9173");
        assert_eq!(number(report, "tps = ").expect("is there").to_string(), "4587.2");
        number(report, "latency average = ").expect_err("is not there");
    }

    #[test]
    fn the_password_does_not_become_an_argument() {
        let (url, password) =
            without_password("postgres://ada:secret@127.0.0.1:5432/one").expect("has one");
        assert_eq!(url, "postgres://ada@127.0.0.1:5432/one");
        assert_eq!(password, "secret");
        without_password("postgres://127.0.0.1/one").expect_err("has none");
    }
}
