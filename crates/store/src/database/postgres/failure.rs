//! PostgreSQL's errors in the terms of [`StoreError`], without what a statement was given.

use tokio_postgres::error::{DbError, Error};

use crate::error::{Cause, StoreError};

/// What PostgreSQL says. Of its message nothing survives, for a message may quote a bound value
/// (`invalid input syntax for type uuid: "…"`), and its detail does (`Key (email)=(…) already
/// exists`); except while the statement is prepared, before it has been given a value.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("postgres does not understand `{sql}`: {message} ({code})")]
    Prepare { sql: &'static str, message: String, code: String },
    #[error("postgres {severity} {code} in `{sql}`")]
    Run { sql: &'static str, severity: String, code: String },
    #[error("postgres {severity} {code} by constraint {constraint} in `{sql}`")]
    Constraint { sql: &'static str, severity: String, code: String, constraint: String },
    #[error("`{sql}` was not answered: {what}")]
    Lost { sql: &'static str, what: String },
    #[error("`{sql}` and its values do not fit: {what}")]
    Unfit { sql: &'static str, what: String },
}

/// When the error came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No value had been sent.
    Prepare,
    Run,
}

/// Translates an error of `sql`.
pub(super) fn translate(error: &Error, sql: &'static str, step: Step) -> StoreError {
    match error.as_db_error() {
        Some(error) => from_server(error, sql, step),
        None => from_driver(error, sql),
    }
}

/// Everything on the server's side that trying again may cure, by SQLSTATE or its class.
const UNAVAILABLE: &[&str] = &[
    "08",    // connection exception
    "25006", // read-only: a primary that was demoted
    "40",    // transaction rollback: serialization failure, deadlock
    "53",    // insufficient resources: disk, memory, connections
    "57P",   // operator intervention: shutdown, crash, starting up
    "58",    // system error outside PostgreSQL itself
    "XX001", // damaged data
    "XX002", // damaged index
];

/// Time limits: of a statement or cancelled, for a lock, for an idle transaction, for a whole one.
const TIMED_OUT: &[&str] = &["57014", "55P03", "25P03", "25P04"];

/// The protocol was broken; by this side, so that another connection does not help.
const PROTOCOL_VIOLATION: &str = "08P01";

fn from_server(error: &DbError, sql: &'static str, step: Step) -> StoreError {
    let code = error.code().code();
    let severity = error.severity().to_owned();
    if let Some(name) = constraint(error) {
        let constraint = name.clone();
        let code = code.to_owned();
        let cause = Failure::Constraint { sql, severity, code, constraint };
        return StoreError::Constraint { name, cause: cause.into() };
    }
    let is_in = |codes: &[&str]| codes.iter().any(|known| code.starts_with(known));
    let run = Failure::Run { sql, severity, code: code.to_owned() };
    if is_in(TIMED_OUT) {
        StoreError::TimedOut(run.into())
    } else if is_in(UNAVAILABLE) && code != PROTOCOL_VIOLATION {
        StoreError::Unavailable(run.into())
    } else if step == Step::Prepare {
        let message = error.message().to_owned();
        let cause = Failure::Prepare { sql, message, code: code.to_owned() };
        StoreError::Internal(cause.into())
    } else {
        StoreError::Internal(run.into())
    }
}

/// The portable name of the constraint that refused a value.
fn constraint(error: &DbError) -> Option<String> {
    let named = || error.constraint().unwrap_or_default().to_owned();
    match error.code().code() {
        // Foreign keys: a missing row; a row still referred to (`RESTRICT`).
        "23503" | "23001" => Some("foreign_key".to_owned()),
        // The name that newer servers give is free; table and column are what is promised.
        "23502" => Some(match (error.table(), error.column()) {
            (Some(table), Some(column)) => format!("{table}_{column}_not_null"),
            _ => named(),
        }),
        code if code.starts_with("23") => Some(named()),
        _ => None,
    }
}

fn from_driver(error: &Error, sql: &'static str) -> StoreError {
    let source = std::error::Error::source(error);
    let value = source.and_then(|source| source.downcast_ref::<Unfit>());
    if let Some(unfit) = value {
        let what = format!("{error}: {unfit}");
        return StoreError::Internal(Failure::Unfit { sql, what }.into());
    }
    let lost = error.is_closed()
        || source.and_then(|source| source.downcast_ref::<std::io::Error>()).is_some();
    // The kind of the error and nothing below it: a driver's message may grow values one day.
    let what = error.to_string();
    if lost {
        StoreError::Unavailable(Failure::Lost { sql, what }.into())
    } else {
        StoreError::Internal(Failure::Unfit { sql, what }.into())
    }
}

/// The statement has no answer, and `what` says why.
pub(super) fn lost(sql: &'static str, what: &str) -> Cause {
    Failure::Lost { sql, what: what.to_owned() }.into()
}

/// A parameter or a cell whose type is not the other side's. Names types only.
#[derive(Debug, thiserror::Error)]
#[error("{given} where {wanted} is expected")]
pub(super) struct Unfit {
    pub(super) given: String,
    pub(super) wanted: String,
}

/// Whether a prepared statement has to be prepared again: it is gone from the server (`DISCARD
/// ALL`, a pooler), or a table that it reads has other columns now. It was refused before it ran.
pub(super) fn is_stale(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| match error.code().code() {
        "26000" => true,
        "0A000" => error.routine() == Some("RevalidateCachedQuery"),
        _ => false,
    })
}

/// Whether the statement was given up because somebody else holds a lock (`lock_not_available`).
/// Nothing of it was kept.
pub(super) fn is_locked(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.code().code() == "55P03")
}

/// Whether the statement was cancelled: by its time limit, or by somebody. Nothing of it was kept.
pub(super) fn is_cancelled(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| error.code().code() == "57014")
}

/// Whether this connection, and every one that was opened before now, leads to a server that is
/// going away or is no longer the primary.
pub(super) fn retires(error: &Error) -> bool {
    let Some(error) = error.as_db_error() else { return false };
    let code = error.code().code();
    code != PROTOCOL_VIOLATION
        && (code == "25006" || code.starts_with("57P0") || code.starts_with("08"))
}
