//! A database of its own for every test, on a server that somebody else has started.

use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_store::{Database, DatabaseOptions, params};

/// The variable that names the server: `postgres://user@host:port/postgres`, by somebody who may
/// create databases.
const SERVER: &str = "STORE_TEST_POSTGRES";

/// A database that goes away with [`Fixture::finish`].
pub(crate) struct Fixture {
    pub(crate) db: Database,
    /// Another way in, to look from outside.
    pub(crate) outside: Database,
    pub(crate) url: String,
    name: &'static str,
}

impl Fixture {
    /// `None`, and a line that says so, where there is no server.
    pub(crate) async fn new() -> Option<Self> {
        Self::with(DatabaseOptions::default()).await
    }

    pub(crate) async fn with(options: DatabaseOptions) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name: &'static str = format!("store_{}_{number}", std::process::id()).leak();
        let admin = open(&server, DatabaseOptions::default()).await;
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            admin.execute(sql.leak(), params![]).await.expect("a database is created");
        }
        admin.close().await;
        let url = at(&server, name);
        let db = open(&url, options).await;
        let few = DatabaseOptions { pool_min_idle: 0, lanes: 1, ..DatabaseOptions::default() };
        let outside = open(&url, few).await;
        let sql = "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL, \
                   CONSTRAINT body_is_short CHECK (length(body) < 100))";
        db.execute(sql, params![]).await.expect("the table is created");
        Some(Self { db, outside, url, name })
    }

    /// How many sessions of the engine under test match a condition over `pg_stat_activity`.
    pub(crate) async fn sessions(&self, condition: &'static str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND ({condition})"
        );
        let (count,) = self.outside.query_one(sql.leak(), params![]).await.expect("is counted");
        count
    }

    /// Drops the database.
    pub(crate) async fn finish(self) {
        self.db.close().await;
        self.outside.close().await;
        let admin = open(&server().expect("a server"), DatabaseOptions::default()).await;
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        admin.execute(sql.leak(), params![]).await.expect("the database is dropped");
        admin.close().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
pub(crate) fn server() -> Option<String> {
    let server = std::env::var(SERVER).ok();
    if server.is_none() {
        #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
        {
            eprintln!("skipped: {SERVER} names no server");
        }
    }
    server
}

/// The same server, another database.
pub(crate) fn at(server: &str, name: &str) -> String {
    let (before, query) = server.split_once('?').map_or((server, ""), |(b, q)| (b, q));
    let (before, _) = before.rsplit_once('/').expect("an address with a database");
    format!("{before}/{name}?{query}")
}

pub(crate) async fn open(url: &str, options: DatabaseOptions) -> Database {
    Database::open(&url.parse().expect("an address"), &options).await.expect("the database opens")
}
