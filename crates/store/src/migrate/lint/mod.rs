//! What migrations do to a PostgreSQL that is in use: the locks they take, and what must not be
//! done while the service runs.
//!
//! A check of text alone: how large a table is, and which release runs, only the author knows. What
//! they know goes beside the statement: `-- mainstay: allow RULE because REASON`.

mod alter;
mod check;
mod column;
mod escape;
mod exclusive;
mod finding;
mod notes;
mod schema;
mod statement;
mod statements;
mod token;

#[cfg(test)]
mod tests;

pub(super) use self::check::{Checker, Outside, controls_transaction, outside_transaction};
pub use self::finding::{Finding, Lock, LockMode, Rewrite, Rule, Span};

/// What one statement of a migration does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStatement {
    /// Its line, from 1.
    pub line: usize,
    /// Its begin.
    pub head: String,
    /// On tables that are in use; nobody waits for any other.
    pub locks: Vec<Lock>,
    /// Whether it has to run outside a transaction: then a `lock_timeout` would leave half of it.
    pub outside_transaction: bool,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}
