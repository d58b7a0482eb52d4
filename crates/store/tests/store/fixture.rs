//! A database of its own for every test.

use std::time::Duration;

use mainstay_store::{Database, DatabaseOptions, StoreError, params};
use tempfile::TempDir;

/// A database in a folder that goes away with the test.
pub(crate) struct Fixture {
    pub(crate) db: Database,
    pub(crate) folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(DatabaseOptions::default()).await
    }

    pub(crate) async fn with(options: DatabaseOptions) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = open(&folder, "app.db", &options).await;
        db.execute(
            "CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL, \
             CONSTRAINT body_is_short CHECK (length(body) < 100))",
            params![],
        )
        .await
        .expect("the table is created");
        Self { db, folder }
    }

    pub(crate) async fn add(&self, id: i64) -> Result<u64, StoreError> {
        add(&self.db, id).await
    }

    pub(crate) async fn ids(&self) -> Vec<i64> {
        ids(&self.db).await
    }
}

pub(crate) async fn open(folder: &TempDir, file: &str, options: &DatabaseOptions) -> Database {
    let url = format!("sqlite:{}", folder.path().join(file).display());
    let url = url.parse().expect("an address");
    Database::open(&url, options).await.expect("the database opens")
}

pub(crate) async fn memory() -> Database {
    let url = "sqlite::memory:".parse().expect("an address");
    Database::open(&url, &DatabaseOptions::default()).await.expect("the database opens")
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
