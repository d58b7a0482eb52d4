//! What an engine counts about itself, to be read by whoever draws charts of it.

use std::time::Duration;

use mainstay_core::{Distribution, Histogram};

use super::Connections;

/// How long callers wait, commits take and connections are held: from well below a commit on a fast
/// disk to the default `acquire_timeout` and beyond, in steps of at most 2.5.
const BOUNDS: [Duration; 14] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// A histogram of times within an engine.
pub(super) fn histogram() -> Histogram {
    Histogram::new(&BOUNDS)
}

/// What the engine of a database counts. Reading it takes short locks and no I/O.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseFigures {
    /// Of the embedded engine.
    Sqlite(SqliteFigures),
    /// Of a server's client.
    Postgres(PostgresFigures),
}

/// What the embedded engine counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteFigures {
    /// Statements that wait for a reader.
    pub reads_waiting: usize,
    /// Statements and transactions that wait for the writer.
    pub writes_waiting: usize,
    /// Statements and transactions that were refused, because a queue was full or moved too slowly.
    pub refused: u64,
    /// How long each commit took; one makes a group of writes durable.
    pub commits: Distribution,
    /// Statements and transactions in those groups: over the number of commits, the size of one.
    pub committed: u64,
}

/// What the client of a server counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresFigures {
    /// The connections at this moment.
    pub connections: Connections,
    /// How long callers waited for a connection of the pool, in vain or not.
    pub waits: Distribution,
    /// How long connections of the pool were held that came back in order.
    pub holds: Distribution,
    /// Callers that got none, because none came free in time or the wait would have been too long.
    pub refused: u64,
}
