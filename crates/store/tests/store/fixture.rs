//! A database of its own for every test, on the engine of this run.

use std::{ops::Deref, time::Duration};

use mainstay_store::{Database, DatabaseOptions, StoreError, params};
use mainstay_test_databases::TestDatabase;

/// A database with a table, gone with the test.
pub(crate) struct Fixture {
    pub(crate) db: Database,
    pub(crate) place: TestDatabase,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(DatabaseOptions::default()).await
    }

    pub(crate) async fn with(options: DatabaseOptions) -> Self {
        let place = TestDatabase::create();
        let db = open(&place, &options).await;
        create_notes(&db).await;
        Self { db, place }
    }

    pub(crate) async fn add(&self, id: i64) -> Result<u64, StoreError> {
        add(&self.db, id).await
    }

    pub(crate) async fn ids(&self) -> Vec<i64> {
        ids(&self.db).await
    }
}

/// A database with nothing in it.
pub(crate) struct Empty {
    db: Database,
    // Removed after it has been closed.
    _place: TestDatabase,
}

impl Deref for Empty {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.db
    }
}

pub(crate) async fn empty() -> Empty {
    let place = TestDatabase::create();
    Empty { db: open(&place, &DatabaseOptions::default()).await, _place: place }
}

pub(crate) async fn open(place: &TestDatabase, options: &DatabaseOptions) -> Database {
    let url = place.url().parse().expect("an address");
    Database::open(&url, options).await.expect("the database opens")
}

pub(crate) async fn create_notes(db: &Database) {
    db.execute(
        "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL, \
         CONSTRAINT body_is_short CHECK (length(body) < 100))",
        params![],
    )
    .await
    .expect("the table is created");
}

pub(crate) async fn add(db: &Database, id: i64) -> Result<u64, StoreError> {
    db.execute("INSERT INTO notes (id, body) VALUES ($1, 'text')", params![id]).await
}

pub(crate) async fn ids(db: &Database) -> Vec<i64> {
    let rows: Vec<(i64,)> =
        db.query("SELECT id FROM notes ORDER BY id", params![]).await.expect("the notes are read");
    rows.into_iter().map(|(id,)| id).collect()
}

/// Short enough for a test to wait for, long enough not to strike by accident.
pub(crate) const SHORT: Duration = Duration::from_millis(100);

/// Never ends by itself.
pub(crate) const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                                  SELECT count(*) FROM n";
