//! The database: whether it answers, whether its schema fits, and whether everybody fits into it.

use std::time::Duration;

use mainstay_core::{Clock, SystemClock, Timestamp};
use mainstay_store::{Database, Diagnosis, MigrationState, Server};

use super::{Patient, finding::Finding, pooler};
use crate::{
    app::{self, Application, Overrides},
    config::{Fleet, MigrateAtStart},
};

/// Clocks of machines with NTP differ by milliseconds. From a second on, what one process has
/// written can be over, or of the future, for another.
const SKEW_MAX: Duration = Duration::from_secs(1);

pub(super) async fn examine<A: Application>(patient: &Patient<'_>) -> Vec<Finding> {
    let Patient { framework, url, .. } = patient;
    if let Some(file) = url.file().filter(|file| !file.exists()) {
        let what = format!("{} is not there yet; `{} serve` creates it", file.display(), A::NAME);
        return vec![Finding::ok("database", what)];
    }
    let opened = app::open_unmigrated::<A>(framework, &Overrides::default()).await;
    let database = match opened {
        Ok(resources) => resources.database,
        Err(failure) => return vec![Finding::failed("database", &failure)],
    };
    let mut findings = facts(patient, &database).await;
    findings.push(migrations::<A>(patient, &database).await);
    database.close().await;
    findings
}

async fn facts(patient: &Patient<'_>, database: &Database) -> Vec<Finding> {
    let clock = SystemClock::new();
    let before = (clock.now(), clock.monotonic());
    let answer = database.diagnose().await;
    let took = clock.monotonic().saturating_sub(before.1);
    let Diagnosis { version, server } = match answer {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            let failure = app::Failure::unexpected("the database does not answer", &error);
            return vec![Finding::failed("database", &failure)];
        }
    };
    let engine = database.engine().as_str();
    let what = format!("{engine} {version} answers in {:.1} ms", took.as_secs_f64() * 1000.0);
    let mut findings = vec![Finding::ok("database", what)];
    if let Some(server) = server {
        findings.extend(connections(patient, database, &server).await);
        findings.push(encryption(&server));
        findings.push(skew(before.0, took, server.clock));
        if server.is_standby {
            findings.push(Finding::error(
                "database",
                "the server follows another one and takes no writes",
                "DATABASE_URL leads to a standby",
                "name the primary, or several hosts with target_session_attrs=read-write",
            ));
        }
    }
    findings
}

/// Whether the fleet fits into the server, or into the pooler in between and that into the server.
async fn connections(patient: &Patient<'_>, database: &Database, server: &Server) -> Vec<Finding> {
    let of_each = patient.options.pool_max + patient.options.lanes;
    match database.pooler().await {
        Ok(Some(found)) => pooler::examine(patient, &found, server),
        Ok(None) => vec![fit(&patient.framework.fleet, of_each, server)],
        Err(error) => {
            let failure = app::Failure::unexpected("the database takes no connection", &error);
            vec![Finding::failed("connections", &failure)]
        }
    }
}

/// `replicas × (pool + lanes) + reserve ≤ max_connections − reserved`
pub(super) fn fit(fleet: &Fleet, of_each: usize, server: &Server) -> Finding {
    let replicas = i64::from(fleet.replicas);
    let reserve = i64::from(fleet.connections_reserve);
    let needed = replicas * of_each as i64 + reserve;
    let there = server.connections_max - server.connections_reserved;
    let sum = format!(
        "{replicas} replicas x {of_each} connections + {reserve} for others = {needed}, and the \
         server has {} - {} reserved = {there} ({} in use now)",
        server.connections_max, server.connections_reserved, server.connections_used
    );
    if needed <= there {
        return Finding::ok("connections", sum);
    }
    Finding::error(
        "connections",
        sum,
        "under load the last replicas are refused by the server",
        "lower the pool or the replicas, raise max_connections, or put PgBouncer in between",
    )
}

pub(super) fn encryption(server: &Server) -> Finding {
    match (server.is_encrypted, server.is_remote) {
        (true, _) => Finding::ok("tls", "the connection to the database is encrypted"),
        (false, false) => Finding::ok("tls", "the database is on this machine; no encryption"),
        (false, true) => Finding::warning(
            "tls",
            "the connection to the database is not encrypted",
            "whoever is on the way reads passwords' hashes and personal data",
            "append `?sslmode=verify-full` to DATABASE_URL, and give the server a certificate",
        ),
    }
}

/// Compares the server's clock with ours at the middle of the question.
pub(super) fn skew(asked: Timestamp, took: Duration, server: Timestamp) -> Finding {
    let middle = asked.as_microsecond() + took.as_micros() as i64 / 2;
    let apart = Duration::from_micros(middle.abs_diff(server.as_microsecond()));
    let what = format!("the clocks of this machine and the database are {apart:.1?} apart");
    // Half of the wait may be all of the difference.
    if apart <= SKEW_MAX + took / 2 {
        return Finding::ok("clock", what);
    }
    Finding::warning(
        "clock",
        what,
        "sessions and limits end early or late, depending on who looks",
        "let both machines follow NTP",
    )
}

async fn migrations<A: Application>(patient: &Patient<'_>, database: &Database) -> Finding {
    const CHECK: &str = "migrations";
    let migrator = database.migrate(A::migrations());
    let plan = match migrator.plan().await {
        Ok(plan) => plan,
        Err(error) => return Finding::failed(CHECK, &app::migration_failure(error)),
    };
    let refused: usize = plan
        .iter()
        .flat_map(|planned| &planned.statements)
        .map(|statement| statement.findings.len())
        .sum();
    let is_server = database.engine() == mainstay_store::Engine::Postgres;
    if refused > 0 && is_server {
        return Finding::error(
            CHECK,
            format!("{} are pending, and will be refused", plan.len()),
            format!("{refused} statements would hold up the service that runs"),
            format!("`{} migrate plan` shows them, and what to write instead", A::NAME),
        );
    }
    let manual = patient.framework.database.migrate_at_start == MigrateAtStart::Manual;
    match plan.len() {
        0 => Finding::ok(CHECK, applied(migrator.status().await.ok().as_deref())),
        pending if manual => Finding::error(
            CHECK,
            format!("{pending} have not been applied"),
            "database.migrate_at_start is `manual`, so the service does not start before that",
            format!("run `{} migrate up`", A::NAME),
        ),
        pending => {
            Finding::ok(CHECK, format!("{pending} are pending; the next start applies them"))
        }
    }
}

fn applied(reports: Option<&[mainstay_store::MigrationReport]>) -> String {
    let is_applied = |state| matches!(state, MigrationState::Applied { .. });
    let count = reports.unwrap_or_default().iter().filter(|report| is_applied(report.state));
    format!("all {} are applied", count.count())
}
