//! Another process at the service's database: it locks, breaks and reads what is stored.

use std::{fmt, path::Path};

use rusqlite::Connection;

/// A connection that the service knows nothing of. A lock it holds ends with it.
pub struct Neighbour(Connection);

impl Neighbour {
    pub(crate) fn at(file: &Path) -> Self {
        Self(Connection::open(file).expect("the service has a database"))
    }

    /// Runs SQL: `BEGIN IMMEDIATE` takes the write lock, `DROP TABLE …` breaks the schema.
    pub fn run(&self, sql: &str) {
        self.0.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The number that a query answers.
    pub fn number(&self, sql: &str) -> i64 {
        let number = self.0.query_row(sql, (), |row| row.get(0));
        number.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Neighbour").finish()
    }
}
