//! A SQLite database of its own for every test.

use mainstay_store::{Database, DatabaseOptions, StoreError};
use tempfile::TempDir;

use crate::fixture::create_notes;
pub(crate) use crate::fixture::{ENDLESS, SHORT, add, ids};

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
        create_notes(&db).await;
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
