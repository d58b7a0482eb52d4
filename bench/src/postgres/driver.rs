//! The ways to a database that are compared, each with the same two statements.

use anyhow::Result;
use mainstay_store::{Database, DatabaseOptions, params};
use sqlx_core::{query::query, query_as::query_as};
use sqlx_postgres::{PgPool, PgPoolOptions};

/// Rows of the table that is read.
pub(super) const ROWS: i64 = 100_000;

/// What every row holds: about as much as a user of the reference service.
pub(super) const BODY: &str =
    "about as long as a user of the reference service is, that is eighty characters";

pub(super) const READ: &str = "SELECT id, body FROM entries WHERE id = $1";
pub(super) const INSERT: &str = "INSERT INTO added (id, body) VALUES ($1, $2)";

/// Connections of the pool of sqlx, as many as `DatabaseOptions::pool_max` has by default.
const POOL: u32 = 20;

/// Something that answers both statements. Clones share their connections.
pub(super) trait Driver: Clone + Send + Sync + 'static {
    fn read(&self, id: i64) -> impl Future<Output = Result<()>> + Send;
    fn insert(&self, id: i64) -> impl Future<Output = Result<()>> + Send;
}

/// Statements of their own on the `Database`: lanes and pool on PostgreSQL, group commit on SQLite.
#[derive(Clone)]
pub(super) struct Single(Database);

/// The same statement between `begin` and `commit`.
#[derive(Clone)]
pub(super) struct Transactions(Database);

/// A pool of sqlx as its documentation begins with it.
#[derive(Clone)]
pub(super) struct Sqlx(PgPool);

/// Our own engine as a service opens it.
pub(super) async fn open(url: &str) -> Result<Database> {
    Ok(Database::open(&url.parse()?, &DatabaseOptions::default()).await?)
}

impl Single {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self(open(url).await?))
    }
}

impl Driver for Single {
    async fn read(&self, id: i64) -> Result<()> {
        let _: (i64, String) = self.0.query_one(READ, params![id]).await?;
        Ok(())
    }

    async fn insert(&self, id: i64) -> Result<()> {
        self.0.execute(INSERT, params![id, BODY]).await?;
        Ok(())
    }
}

impl Transactions {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self(open(url).await?))
    }
}

impl Driver for Transactions {
    async fn read(&self, id: i64) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let _: (i64, String) = transaction.query_one(READ, params![id]).await?;
        Ok(transaction.commit().await?)
    }

    async fn insert(&self, id: i64) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        transaction.execute(INSERT, params![id, BODY]).await?;
        Ok(transaction.commit().await?)
    }
}

impl Sqlx {
    pub(super) async fn open(url: &str) -> Result<Self> {
        Ok(Self(PgPoolOptions::new().max_connections(POOL).connect(url).await?))
    }
}

impl Driver for Sqlx {
    async fn read(&self, id: i64) -> Result<()> {
        let _: (i64, String) = query_as(READ).bind(id).fetch_one(&self.0).await?;
        Ok(())
    }

    async fn insert(&self, id: i64) -> Result<()> {
        query(INSERT).bind(id).bind(BODY).execute(&self.0).await?;
        Ok(())
    }
}
