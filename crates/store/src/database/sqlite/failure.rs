//! SQLite's errors in the terms of [`StoreError`], without what a statement was given.

use rusqlite::{Connection, Error, ErrorCode, ffi};

use crate::error::{Cause, StoreError};

/// What SQLite says. Of its message only a constraint's name survives: a message may quote a bound
/// value (`bad JSON path: '…'`).
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Broken SQL. The message quotes nothing but the statement, which is part of the program.
    #[error("sqlite does not understand `{sql}`: {message}")]
    Prepare { sql: &'static str, message: String },
    #[error("sqlite error {code} ({meaning}) in `{sql}`")]
    Run { sql: &'static str, code: i32, meaning: &'static str },
    #[error("unexpected answer of the sqlite driver in `{sql}`")]
    Driver { sql: &'static str },
}

/// Translates an error of `sql`; looks a constraint up through `connection`.
pub(super) fn translate(connection: &Connection, error: &Error, sql: &'static str) -> StoreError {
    let (failure, message) = match error {
        Error::SqlInputError { msg, .. } => {
            let cause = Failure::Prepare { sql, message: msg.clone() };
            return StoreError::Internal(cause.into());
        }
        Error::SqliteFailure(failure, message) => (failure, message.as_deref()),
        _ => return StoreError::Internal(Failure::Driver { sql }.into()),
    };
    let code = failure.extended_code;
    let cause = Cause::from(Failure::Run { sql, code, meaning: ffi::code_to_str(code) });
    match failure.code {
        // A value of the wrong type for a strict table: a defect, and no constraint of the schema.
        // SQLite does not undo the rows before it.
        ErrorCode::ConstraintViolation if code == ffi::SQLITE_CONSTRAINT_DATATYPE => {
            StoreError::Internal(cause)
        }
        ErrorCode::ConstraintViolation => {
            let name = constraint(connection, code, message.unwrap_or_default());
            StoreError::Constraint { name, cause }
        }
        ErrorCode::OperationInterrupted => StoreError::TimedOut(cause),
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OutOfMemory
        | ErrorCode::ReadOnly
        | ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::DiskFull
        | ErrorCode::CannotOpen
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NotADatabase => StoreError::Unavailable(cause),
        _ => StoreError::Internal(cause),
    }
}

/// The portable name of the constraint behind a message such as
/// `UNIQUE constraint failed: users.email`.
fn constraint(connection: &Connection, code: i32, message: &str) -> String {
    let subject = message.split_once("constraint failed: ").map_or("", |(_, subject)| subject);
    match code {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "foreign_key".to_owned(),
        ffi::SQLITE_CONSTRAINT_NOTNULL => format!("{}_not_null", subject.replace('.', "_")),
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            format!("{}_pkey", table(subject))
        }
        ffi::SQLITE_CONSTRAINT_UNIQUE => unique(connection, subject),
        _ => subject.to_owned(),
    }
}

/// `users.email, users.tenant` → `users`
fn table(subject: &str) -> &str {
    subject.split('.').next().unwrap_or_default()
}

fn unique(connection: &Connection, subject: &str) -> String {
    // An index over an expression is named by SQLite itself.
    if let Some(name) = subject.strip_prefix("index '") {
        return name.trim_end_matches('\'').to_owned();
    }
    let table = table(subject);
    let columns: Vec<&str> =
        subject.split(", ").filter_map(|column| Some(column.split_once('.')?.1)).collect();
    declared_index(connection, table, &columns.join(","))
        .unwrap_or_else(|| format!("{table}_{}_key", columns.join("_")))
}

/// The unique index that somebody declared over exactly these columns. One that SQLite made for a
/// `UNIQUE` inside `CREATE TABLE` has no portable name.
fn declared_index(connection: &Connection, table: &str, columns: &str) -> Option<String> {
    const SQL: &str = "SELECT name FROM pragma_index_list(?1) AS i \
         WHERE i.\"unique\" AND i.origin = 'c' AND ?2 = (SELECT group_concat(name) FROM \
         (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))";
    let mut statement = connection.prepare_cached(SQL).ok()?;
    statement.query_row([table, columns], |row| row.get(0)).ok()
}
