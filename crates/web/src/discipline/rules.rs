//! What counts as decided, column by column.

use axum::http::Method;

use super::{Cell, Column, Subject, errors, inputs};
use crate::{
    endpoint::{Access, Cache, DeadlineDecision, LimitDecision, Repeat},
    openapi::{bytes, short},
};

/// Judges one cell.
pub(super) fn judge(subject: &Subject<'_>, column: Column) -> Cell {
    if let Some(reason) = subject.endpoint.raw {
        return raw(subject, column, reason);
    }
    match column {
        Column::Input => inputs::bounded(subject),
        Column::Errors => errors::judge(subject),
        Column::Access => access(subject),
        Column::Limit => limit(subject),
        Column::Outage => outage(subject),
        Column::Deadline => deadline(subject),
        Column::Body => body(subject),
        Column::Idempotency => repeat(subject),
        Column::Cache => cache(subject),
        Column::Personal => inputs::personal(subject),
        Column::Documented => inputs::documented(subject),
    }
}

/// A router that speaks for itself has the edge's limit and deadline; its reason stands for the
/// rest.
fn raw(subject: &Subject<'_>, column: Column, reason: &'static str) -> Cell {
    match column {
        Column::Access => {
            Cell::because("raw", reason, ".mount_raw(path, router, \"why it speaks for itself\")")
        }
        Column::Limit => limit(subject),
        Column::Outage => outage(subject),
        Column::Deadline => deadline(subject),
        _ => Cell::of("its own"),
    }
}

fn access(subject: &Subject<'_>) -> Cell {
    let Access::Allow(policy) = &subject.endpoint.access else { return Cell::of("public") };
    let label = policy.label();
    match subject.endpoint.decisions.scope {
        Some(Ok(scope)) => Cell::of(format!("{label}, {scope}")),
        Some(Err(reason)) => Cell::because(label, reason, ".without_scope(\"why\")"),
        None if subject.scoped => Cell::of(label).but([
            "nobody has said which scope opens it to API keys; write .scope(ScopeName(\"…\")) or \
             .without_scope(\"why\")"
                .to_owned(),
        ]),
        None => Cell::of(label),
    }
}

/// Why the defaults are not good enough for an endpoint; `None` where they are.
fn exposure(subject: &Subject<'_>) -> Option<&'static str> {
    let endpoint = subject.endpoint;
    if endpoint.raw.is_some() {
        return None;
    }
    if subject.takes_secret() {
        return Some("its body takes a secret, which can be guessed at");
    }
    if matches!(endpoint.decisions.repeat, Some(Repeat::Again(_))) {
        return Some("every repetition has an effect");
    }
    let is_public = matches!(endpoint.access, Access::Public);
    (is_public && endpoint.method != Method::GET).then_some("anybody may send it")
}

fn limit(subject: &Subject<'_>) -> Cell {
    let limits = match subject.endpoint.limits.label() {
        Ok(limits) => limits,
        Err(reason) => return Cell::because("none", reason, ".unlimited(\"why\")"),
    };
    match subject.endpoint.decisions.limit {
        LimitDecision::Default => {
            Cell::of(format!("{limits} (default)")).but(exposure(subject).map(|why| {
                format!(
                    "{why}, so the default limit is not enough; write \
                     .limit(Limit::per_client(…).on_outage(…)) or .unlimited(\"why\")"
                )
            }))
        }
        _ => Cell::of(limits),
    }
}

fn outage(subject: &Subject<'_>) -> Cell {
    let limits = match &subject.endpoint.decisions.limit {
        LimitDecision::Unlimited(_) => return Cell::of("-"),
        LimitDecision::Default => return Cell::of("local (default)"),
        LimitDecision::Own(limits) => limits,
    };
    if limits.iter().any(|limit| limit.outage.is_none()) {
        return Cell::undecided(
            "its limit does not say what happens when nobody can count; write \
             .on_outage(OutageMode::Closed), OutageMode::Local or OutageMode::Open on the limit",
        );
    }
    let mut modes: Vec<&str> =
        subject.endpoint.limits.told().map(|limit| limit.policy.outage.as_str()).collect();
    modes.dedup();
    Cell::of(modes.join(" and "))
}

fn deadline(subject: &Subject<'_>) -> Cell {
    let deadline = match subject.endpoint.deadline {
        Err(reason) => return Cell::because("none", reason, ".without_deadline(\"why\")"),
        Ok(deadline) => short(deadline),
    };
    Cell::of(match subject.endpoint.decisions.deadline {
        DeadlineDecision::Default => format!("{deadline} (default)"),
        _ => deadline,
    })
}

fn body(subject: &Subject<'_>) -> Cell {
    if subject.endpoint.body.is_none() {
        return Cell::of("-");
    }
    let size = bytes(subject.endpoint.body_bytes_max);
    if subject.endpoint.decisions.body_bytes_max.is_some() {
        return Cell::of(size);
    }
    Cell::of(format!("{size} (default)")).but(exposure(subject).map(|why| {
        format!("{why}, so the default size of a body is too much; write .body_bytes_max(16 << 10)")
    }))
}

fn repeat(subject: &Subject<'_>) -> Cell {
    let method = &subject.endpoint.method;
    let cell = match subject.endpoint.decisions.repeat {
        Some(Repeat::ByKey) => Cell::of("by key"),
        Some(Repeat::NoEffect(why)) => {
            Cell::because("no effect", why, ".on_repeat(Repeat::NoEffect(\"why\"))")
        }
        Some(Repeat::Again(why)) => {
            Cell::because("again", why, ".on_repeat(Repeat::Again(\"why\"))")
        }
        None if matches!(*method, Method::GET | Method::PUT | Method::DELETE) => {
            Cell::of("by method")
        }
        None => Cell::undecided(
            "nobody has said what a second identical request does; write \
             .on_repeat(Repeat::ByKey), .on_repeat(Repeat::NoEffect(\"why\")) or \
             .on_repeat(Repeat::Again(\"why\"))",
        ),
    };
    let is_conditional = subject
        .endpoint
        .parameters
        .iter()
        .any(|parameter| parameter.name == "if-match" && parameter.required);
    cell.but((*method == Method::PUT && !is_conditional).then(|| {
        "a PUT replaces the whole, also what its sender has not seen; take `RequireIfMatch` in the \
         handler"
            .to_owned()
    }))
}

fn cache(subject: &Subject<'_>) -> Cell {
    if subject.endpoint.method != Method::GET {
        return Cell::of("-");
    }
    match subject.endpoint.decisions.cache {
        Some(Cache::NoStore) => Cell::of("no store"),
        Some(Cache::Private(age)) => Cell::of(format!("private {}", short(age))),
        Some(Cache::Public(age)) => Cell::of(format!("public {}", short(age))),
        None => Cell::undecided(
            "nobody has said who may keep the answer; write .cache(Cache::NoStore), \
             Cache::Private(…) or Cache::Public(…)",
        ),
    }
}
