//! The pooler in between: who fits into it, what it fits into, and which of its limits come before
//! ours.
//!
//! `server_idle_timeout` and `server_lifetime` are not looked at: they end sessions nobody uses.

use std::time::Duration;

use mainstay_store::{PgBouncer, Pooler, Server, StatementMode};

use super::{Patient, finding::Finding};

/// What is found about a pooler that answers, and about the server behind it.
pub(super) fn examine(patient: &Patient<'_>, pooler: &Pooler, server: &Server) -> Vec<Finding> {
    let pooler = match pooler {
        Pooler::PgBouncer(pooler) => pooler,
        Pooler::Opaque(why) => return vec![opaque(why)],
    };
    let mut findings = vec![mode(pooler), clients(patient, pooler)];
    findings.push(servers(patient, pooler, server));
    findings.extend(sessions(patient, pooler));
    findings.extend(statements(patient, pooler));
    findings.push(queue(patient, pooler));
    findings.extend(cuts(patient, pooler));
    findings
}

fn opaque(why: &str) -> Finding {
    Finding::warning(
        "pooler",
        "a pooler is in between, and does not show what it is set to",
        format!("whether the fleet fits into it was not looked at; it says: {why}"),
        "PgBouncer: add the user of the database to stats_users, which lets it look and no more",
    )
}

fn mode(pooler: &PgBouncer) -> Finding {
    const CHECK: &str = "pooler";
    let what = format!("PgBouncer is in between, in {} mode", pooler.pool_mode);
    let fix = "set pool_mode = transaction";
    match pooler.pool_mode.as_str() {
        "transaction" => Finding::ok(CHECK, what),
        "session" => Finding::warning(
            CHECK,
            what,
            "each of our connections keeps a session of the server for itself, used or not",
            fix,
        ),
        _ => Finding::error(CHECK, what, "no transaction of several statements is possible", fix),
    }
}

/// `replicas × (pool + lanes + 1) ≤ max_client_conn`
fn clients(patient: &Patient<'_>, pooler: &PgBouncer) -> Finding {
    let (replicas, of_each) = fleet(patient);
    // Readiness is asked on a connection of its own.
    let needed = replicas * (of_each + 1);
    let sum = format!(
        "{replicas} replicas x ({of_each} connections + 1 probe) = {needed}, and PgBouncer takes \
         {} clients",
        pooler.clients_max
    );
    if needed <= pooler.clients_max {
        return Finding::ok("connections", sum);
    }
    Finding::error(
        "connections",
        sum,
        "under load the last replicas are refused by PgBouncer",
        "raise max_client_conn, or lower the pool or the replicas",
    )
}

/// `pools + reserve ≤ max_connections − reserved`
fn servers(patient: &Patient<'_>, pooler: &PgBouncer, server: &Server) -> Finding {
    let reserve = i64::from(patient.framework.fleet.connections_reserve);
    let needed = pooler.servers_max + reserve;
    let there = server.connections_max - server.connections_reserved;
    let sum = format!(
        "PgBouncer may open {} sessions + {reserve} for others = {needed}, and the server has {} - \
         {} reserved = {there} ({} in use now)",
        pooler.servers_max,
        server.connections_max,
        server.connections_reserved,
        server.connections_used
    );
    if needed <= there {
        return Finding::ok("connections", sum);
    }
    Finding::error(
        "connections",
        sum,
        "under load PgBouncer is refused by the server, and its clients with it",
        "lower default_pool_size or reserve_pool_size, set max_db_connections, or raise the \
         server's max_connections",
    )
}

/// In session mode the pool has to have a session for every connection.
fn sessions(patient: &Patient<'_>, pooler: &PgBouncer) -> Option<Finding> {
    let (replicas, of_each) = fleet(patient);
    let needed = replicas * of_each;
    if pooler.pool_mode != "session" || needed <= pooler.pool_max {
        return None;
    }
    Some(Finding::error(
        "connections",
        format!(
            "{replicas} replicas x {of_each} connections = {needed}, and the pool has {} sessions",
            pooler.pool_max
        ),
        "in session mode a connection beyond that waits until another one is closed",
        "set pool_mode = transaction, or raise default_pool_size",
    ))
}

fn statements(patient: &Patient<'_>, pooler: &PgBouncer) -> Option<Finding> {
    let named = patient.options.statement_mode == StatementMode::Named;
    if !named || pooler.pool_mode == "session" || pooler.prepared_statements_max > 0 {
        return None;
    }
    Some(Finding::error(
        "pooler",
        "pool.statement_mode is `named`, and PgBouncer does not keep track of prepared statements",
        "a statement is prepared in one session of the server and run in another, where it fails",
        "leave statement_mode at `auto`, or set max_prepared_statements (PgBouncer 1.21 or later)",
    ))
}

/// `acquire_timeout ≤ query_wait_timeout ≤ deadline`
fn queue(patient: &Patient<'_>, pooler: &PgBouncer) -> Finding {
    let (ours, deadline) = (patient.options.acquire_timeout, patient.framework.http.deadline);
    let fix = format!("set query_wait_timeout to {} (seconds)", deadline.as_secs().max(1));
    match pooler.query_wait_timeout {
        Some(theirs) if theirs < ours => Finding::error(
            "timeouts",
            format!(
                "query_wait_timeout of PgBouncer ({} ms) < the wait for a connection ({} ms)",
                theirs.as_millis(),
                ours.as_millis()
            ),
            "PgBouncer closes the connection of who waits, with what others have on it",
            fix,
        ),
        Some(theirs) if theirs <= deadline => Finding::ok(
            "timeouts",
            format!(
                "the wait for a connection ({} ms) <= query_wait_timeout of PgBouncer ({} ms) <= \
                 http.deadline_ms ({} ms)",
                ours.as_millis(),
                theirs.as_millis(),
                deadline.as_millis()
            ),
        ),
        theirs => Finding::warning(
            "timeouts",
            format!(
                "query_wait_timeout of PgBouncer ({}) > http.deadline_ms ({} ms)",
                theirs.map_or("none".to_owned(), |time| format!("{} ms", time.as_millis())),
                deadline.as_millis()
            ),
            "under load, connections that were given up stay in its queue and count as clients",
            fix,
        ),
    }
}

/// What ends a connection before our own limit ends what is on it.
fn cuts(patient: &Patient<'_>, pooler: &PgBouncer) -> Vec<Finding> {
    let options = patient.options;
    let rows: [(&str, Option<Duration>, &str, Duration); 4] = [
        (
            "query_timeout",
            pooler.query_timeout,
            "database.statement_timeout_ms",
            options.statement_timeout,
        ),
        (
            "transaction_timeout",
            pooler.transaction_timeout,
            "the limit of a transaction",
            options.transaction_timeout,
        ),
        (
            "idle_transaction_timeout",
            pooler.idle_transaction_timeout,
            "the limit of an idle transaction",
            options.transaction_idle_timeout,
        ),
        (
            "client_idle_timeout",
            pooler.client_idle_timeout,
            "the life of a connection",
            options.max_lifetime,
        ),
    ];
    let cut = rows.into_iter().filter_map(|(name, theirs, limit, ours)| {
        let theirs = theirs.filter(|theirs| *theirs <= ours)?;
        Some(Finding::warning(
            "timeouts",
            format!(
                "{name} of PgBouncer ({} ms) <= {limit} ({} ms)",
                theirs.as_millis(),
                ours.as_millis()
            ),
            "PgBouncer closes the connection, and whatever is on it fails",
            format!("set {name} = 0, or above ours"),
        ))
    });
    cut.collect()
}

/// Replicas, and the connections of each.
fn fleet(patient: &Patient<'_>) -> (i64, i64) {
    let of_each = patient.options.pool_max + patient.options.lanes;
    (i64::from(patient.framework.fleet.replicas), of_each as i64)
}
