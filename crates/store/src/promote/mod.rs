//! From the embedded database to a server: every row, once, and compared afterwards.

mod cells;
mod copy;
mod frame;
mod tables;

use crate::{
    database::{Database, Engine},
    error::{Explanation, StoreError},
    migrate::{MigrateError, Migrations},
};

/// How far a promotion is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromoteProgress {
    /// The table at work.
    pub table: String,
    /// Rows of all tables copied so far, those of an earlier, interrupted run included.
    pub done: u64,
    /// Rows of all tables.
    pub total: u64,
}

/// A table that is the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromotedTable {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// The promotion was not finished; it may be run again.
#[derive(Clone, Debug)]
pub enum PromoteError {
    /// What, why and how to fix it.
    Refused(Explanation),
    /// The schema cannot be made.
    Migrate(MigrateError),
    /// One of the two does not answer.
    Store(StoreError),
}

impl From<StoreError> for PromoteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MigrateError> for PromoteError {
    fn from(error: MigrateError) -> Self {
        Self::Migrate(error)
    }
}

fn wrong(why: impl Into<String>, fix: &str) -> PromoteError {
    let what = "the database was not promoted".to_owned();
    PromoteError::Refused(Explanation { what, why: why.into(), fix: fix.to_owned() })
}

impl Database {
    /// Copies this embedded database into an empty PostgreSQL, table by table, and compares both
    /// by count and checksum. Meanwhile the target has no foreign keys, so tables may refer to each
    /// other and to themselves.
    ///
    /// An interrupted copy goes on where it stopped when it is run again. Nobody may write to this
    /// database meanwhile: what is written behind the copy shows as a difference.
    pub async fn promote(
        &self,
        target: &Self,
        migrations: Migrations,
        mut progress: impl FnMut(PromoteProgress) + Send,
    ) -> Result<Vec<PromotedTable>, PromoteError> {
        if (self.engine(), target.engine()) != (Engine::Sqlite, Engine::Postgres) {
            return Err(wrong(
                "it goes from SQLite to PostgreSQL",
                "Name a `postgres://…` address, and start from `sqlite:PATH`.",
            ));
        }
        if !self.migrate(migrations).plan().await?.is_empty() {
            return Err(wrong(
                "its schema is behind this program",
                "Run `migrate up` on it first.",
            ));
        }
        let tables = copy::prepare(target, migrations).await?;
        let mut counts = Vec::new();
        for table in &tables {
            counts.push(copy::count(self, &table.name).await?);
        }
        let total = counts.iter().sum();
        let mut before = 0;
        for (table, rows) in tables.iter().zip(counts) {
            let name = table.name.clone();
            copy::copy(self, target, table, |done| {
                progress(PromoteProgress { table: name.clone(), done: before + done, total });
            })
            .await?;
            before += rows;
        }
        let promoted = copy::compare(self, target, &tables).await?;
        frame::end(target).await?;
        Ok(promoted)
    }
}
