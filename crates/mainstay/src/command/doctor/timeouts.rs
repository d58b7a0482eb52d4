//! The chain of time limits: whoever waits outside waits longer than whoever works inside.

use std::time::Duration;

use mainstay_store::Engine;

use super::{Patient, finding::Finding};

/// One limit, as the configuration calls it.
struct Limit {
    name: &'static str,
    duration: Duration,
}

pub(super) fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let Patient { framework, options, url } = patient;
    let limit = |name, duration| Limit { name, duration };
    let deadline = || limit("http.deadline_ms", framework.http.deadline);
    let mut findings = Vec::new();
    match framework.fleet.proxy_timeout_ms.map(Duration::from_millis) {
        Some(patience) => {
            let proxy = limit("fleet.proxy_timeout_ms", patience);
            let why = "the proxy gives up first: the client gets its error page, and the service \
                       works on for nobody";
            findings.push(longer(&proxy, &deadline(), why, "raise the proxy's, or lower ours"));
        }
        None => findings.push(Finding::ok(
            "timeouts",
            "how long the proxy waits is not known (fleet.proxy_timeout_ms)",
        )),
    }
    let statement = limit("database.statement_timeout_ms", options.statement_timeout);
    let why = "a statement would outlive the request it is for";
    findings.push(at_least(&deadline(), &statement, why, "lower statement_timeout_ms"));
    let waiting = match url.engine() {
        Engine::Postgres => limit("the wait for a connection", options.acquire_timeout),
        Engine::Sqlite => limit("the wait in the queue of the database", options.queue_wait_max),
    };
    let why = "a request that waits for the database is over before it may have its turn, and is \
               answered 504 instead of 503";
    findings.push(longer(&deadline(), &waiting, why, "raise http.deadline_ms"));
    if url.engine() == Engine::Postgres {
        let connecting = limit("the time to connect", options.connect_timeout);
        let why = "who waits for a connection gives up before it can be made";
        findings.push(at_least(&waiting, &connecting, why, "let connecting be the shorter one"));
    }
    findings
}

fn longer(outer: &Limit, inner: &Limit, why: &str, fix: &str) -> Finding {
    judged(outer, ">", inner, outer.duration > inner.duration, [why, fix])
}

fn at_least(outer: &Limit, inner: &Limit, why: &str, fix: &str) -> Finding {
    judged(outer, ">=", inner, outer.duration >= inner.duration, [why, fix])
}

fn judged(outer: &Limit, sign: &str, inner: &Limit, holds: bool, [why, fix]: [&str; 2]) -> Finding {
    let text = |limit: &Limit| format!("{} ({} ms)", limit.name, limit.duration.as_millis());
    let chain = format!("{} {sign} {}", text(outer), text(inner));
    if holds {
        return Finding::ok("timeouts", chain);
    }
    Finding::error("timeouts", format!("{chain} does not hold"), why, fix)
}
