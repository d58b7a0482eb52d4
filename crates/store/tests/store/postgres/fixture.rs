//! A PostgreSQL database of its own for every test, and a way to look at it from outside.

use mainstay_store::{Database, DatabaseOptions, params};
use mainstay_test_databases::{Engine, TestDatabase};

use crate::fixture::create_notes;

/// A database with a table, gone with the test.
pub(crate) struct Fixture {
    pub(crate) db: Database,
    /// Another way in, to look from outside.
    pub(crate) outside: Database,
    pub(crate) url: String,
    pub(crate) place: TestDatabase,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(DatabaseOptions::default()).await
    }

    pub(crate) async fn with(options: DatabaseOptions) -> Self {
        Self::on(Engine::Postgres, options).await
    }

    /// Directly, or behind a pooler; looked at directly in any case.
    pub(crate) async fn on(engine: Engine, options: DatabaseOptions) -> Self {
        let place = TestDatabase::on(engine);
        let url = place.url().to_owned();
        let db = open(&url, options).await;
        let few = DatabaseOptions { pool_min_idle: 0, lanes: 1, ..DatabaseOptions::default() };
        let outside = open(&place.direct_url(), few).await;
        create_notes(&db).await;
        Self { db, outside, url, place }
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
