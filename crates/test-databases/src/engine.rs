//! Which engine a run of the tests is about.

/// Read by every test that asks for a database: `sqlite`, `postgres` or `pgbouncer`.
const VARIABLE: &str = "MAINSTAY_TEST_ENGINE";

/// An engine that keeps the database of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded: a file in a temporary folder.
    Sqlite,
    /// A database of the private server.
    Postgres,
    /// The same, reached through a pooler in transaction mode.
    PgBouncer,
}

impl Engine {
    /// The engine of this run: what `MAINSTAY_TEST_ENGINE` says, and SQLite without it.
    ///
    /// # Panics
    /// When the variable says anything else: a typing error must not test the wrong engine.
    #[expect(clippy::disallowed_methods, reason = "set by the test runner, not by a configuration")]
    pub fn of_this_run() -> Self {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            Ok("pgbouncer") => Self::PgBouncer,
            Ok(other) => panic!("{VARIABLE} is {other:?}, not `sqlite`, `postgres`, `pgbouncer`"),
        }
    }
}
