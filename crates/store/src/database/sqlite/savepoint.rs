//! The transaction of a group and the savepoint of each of its members.
//!
//! Members run one after the other, so one name is enough.

use rusqlite::Connection;

use super::failure;
use crate::error::StoreError;

/// Sets the member's savepoint.
pub(super) fn begin(connection: &Connection) -> Result<(), StoreError> {
    run(connection, "SAVEPOINT member")
}

/// Keeps what the member did, for the commit of the group.
pub(super) fn keep(connection: &Connection) -> Result<(), StoreError> {
    run(connection, "RELEASE member")
}

/// Undoes what the member did. Does nothing when SQLite has ended the whole transaction.
pub(super) fn undo(connection: &Connection) {
    if connection.is_autocommit() {
        return;
    }
    let undone = run(connection, "ROLLBACK TO member").and_then(|()| keep(connection));
    if undone.is_err() {
        // Half a member must not be committed with the others.
        let _ = rollback(connection);
    }
}

/// Opens the group's transaction and takes the write lock.
pub(super) fn begin_group(connection: &Connection) -> Result<(), StoreError> {
    run(connection, "BEGIN IMMEDIATE")
}

/// Makes the group durable.
pub(super) fn commit_group(connection: &Connection) -> Result<(), StoreError> {
    run(connection, "COMMIT")
}

/// Ends the group's transaction without keeping anything.
pub(super) fn rollback(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() {
        return Ok(());
    }
    run(connection, "ROLLBACK")
}

fn run(connection: &Connection, sql: &'static str) -> Result<(), StoreError> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(()));
    done.map(drop).map_err(|error| failure::translate(connection, &error, sql))
}
