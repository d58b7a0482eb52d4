//! Reads that may miss the latest writes, and so may go to a replica.

use std::time::Duration;

use mainstay_core::{Step, StepKind};

use super::{Database, Inner, Outcome, outcome};
use crate::{error::StoreError, row::FromRow, value::Value};

/// Reads that may miss what was written in the last moments: a list for people, a report.
///
/// They go to a replica if there is one ([`DatabaseOptions::replica`](super::DatabaseOptions)) that
/// has proved not to be further behind, and to the primary otherwise. Two of them may see different
/// moments, the later read the earlier one.
#[derive(Clone, Copy, Debug)]
pub struct BoundedStaleness<'a> {
    database: &'a Database,
    at_most: Duration,
}

impl Database {
    /// Reads that may miss what was committed in the last `at_most`.
    ///
    /// Replicas prove how far they are four times a second, so less than some 300 ms always means
    /// the primary.
    pub fn bounded_staleness(&self, at_most: Duration) -> BoundedStaleness<'_> {
        BoundedStaleness { database: self, at_most }
    }
}

impl BoundedStaleness<'_> {
    /// As [`Database::query`].
    pub async fn query<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(sql, params).await?.decode()
    }

    /// As [`Database::query_one`].
    pub async fn query_one<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<T, StoreError> {
        self.query_optional(sql, params).await?.ok_or(StoreError::NotFound)
    }

    /// As [`Database::query_optional`].
    pub async fn query_optional<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        self.read(sql, params).await?.decode_first()
    }

    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Outcome, StoreError> {
        let step = Step::begin(StepKind::Sql, sql);
        let result = match self.database.inner() {
            Inner::Sqlite(sqlite) => sqlite.read(sql, params).await,
            Inner::Postgres(postgres) => postgres.read_stale(sql, params, self.at_most).await,
        };
        outcome::end(step, &result);
        result
    }
}
