//! Another process at the service's database: it locks, breaks and reads what is stored.

use std::{fmt, path::Path};

use rusqlite::Connection;

use crate::postgres::Session;

/// A connection that the service knows nothing of. A lock it holds ends with it.
pub struct Neighbour(Inner);

enum Inner {
    Sqlite(Connection),
    Postgres(Session),
}

impl Neighbour {
    pub(crate) fn at_file(file: &Path) -> Self {
        Self(Inner::Sqlite(Connection::open(file).expect("the service has a database")))
    }

    pub(crate) fn at_server(url: &str) -> Self {
        Self(Inner::Postgres(Session::connect(url).unwrap_or_else(|error| panic!("{error}"))))
    }

    /// Runs SQL: `DROP TABLE …` breaks the schema.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, sql: &str) {
        let result = match &self.0 {
            Inner::Sqlite(connection) => connection.execute_batch(sql).map_err(|e| e.to_string()),
            Inner::Postgres(session) => session.run(sql),
        };
        result.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The number that a query answers.
    ///
    /// # Panics
    /// When it answers none.
    pub fn number(&self, sql: &str) -> i64 {
        let number = match &self.0 {
            Inner::Sqlite(connection) => {
                connection.query_row(sql, (), |row| row.get(0)).map_err(|e| e.to_string())
            }
            Inner::Postgres(session) => session.number(sql),
        };
        number.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// An expression for a time so many microseconds after another: those of a column.
    pub fn moved(&self, column: &str, microseconds: i64) -> String {
        match &self.0 {
            Inner::Sqlite(_) => format!("({column} + {microseconds})"),
            Inner::Postgres(_) => {
                format!("({column} + {microseconds} * interval '1 microsecond')")
            }
        }
    }

    /// An expression for the bytes of a column, taken as text.
    pub fn as_text(&self, column: &str) -> String {
        match &self.0 {
            Inner::Sqlite(_) => format!("CAST({column} AS text)"),
            Inner::Postgres(_) => format!("encode({column}, 'escape')"),
        }
    }

    /// Opens a transaction that lets everybody read a table and nobody write it. SQLite knows only
    /// a lock of everything.
    pub fn lock(&self, table: &str) {
        match &self.0 {
            Inner::Sqlite(_) => self.run("BEGIN IMMEDIATE"),
            Inner::Postgres(_) => {
                self.run(&format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE"));
            }
        }
    }

    /// Ends what [`lock`](Self::lock) has begun.
    pub fn unlock(&self) {
        self.run("ROLLBACK");
    }
}

impl fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Neighbour").finish()
    }
}
