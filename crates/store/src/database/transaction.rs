//! Statements that become durable together or not at all.

use std::fmt;

use mainstay_core::{Step, StepKind};

use super::{
    Outcome, outcome, postgres::PostgresTransaction, sqlite::SqliteTransaction, unit::Share,
};
use crate::{error::StoreError, row::FromRow, value::Value};

/// An open transaction. Dropping it rolls it back at once.
///
/// After a statement has failed, or its future was dropped, nothing but
/// [`rollback`](Self::rollback) works any more, on every engine: PostgreSQL ends the transaction
/// there, and the embedded engine does as it does. Use `ON CONFLICT` where a conflict is expected.
pub struct Transaction {
    inner: Inner,
}

enum Inner {
    Exclusive(Exclusive),
    /// Part of a unit of work, which has the last word.
    Share(Share),
}

impl Transaction {
    pub(super) const fn exclusive(transaction: Exclusive) -> Self {
        Self { inner: Inner::Exclusive(transaction) }
    }

    pub(super) const fn share(share: Share) -> Self {
        Self { inner: Inner::Share(share) }
    }

    /// As [`Database::query`](super::Database::query), inside the transaction.
    pub async fn query<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(sql, params).await?.decode()
    }

    /// As [`Database::query_one`](super::Database::query_one), inside the transaction.
    pub async fn query_one<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<T, StoreError> {
        self.query_optional(sql, params).await?.ok_or(StoreError::NotFound)
    }

    /// As [`Database::query_optional`](super::Database::query_optional), inside the transaction.
    pub async fn query_optional<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        self.run(sql, params).await?.decode_first()
    }

    /// Runs a statement that writes and returns the number of rows it changed.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<u64, StoreError> {
        Ok(self.run(sql, params).await?.changed)
    }

    /// Runs `INSERT`, `UPDATE` or `DELETE … RETURNING` and returns its rows.
    pub async fn execute_returning<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(sql, params).await?.decode()
    }

    /// Makes it durable; returns once it is. After an error nothing was kept.
    ///
    /// Of a request that is done once ([`Idempotency`](crate::Idempotency)) this is a part, and
    /// becomes durable with its answer: then it returns at once.
    ///
    /// Dropping the future leaves open whether the transaction was committed, and never commits a
    /// part of it.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.inner {
            Inner::Exclusive(transaction) => transaction.commit().await,
            Inner::Share(share) => share.commit().await,
        }
    }

    /// Undoes it; returns once it is undone.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            Inner::Exclusive(transaction) => transaction.rollback().await,
            Inner::Share(share) => share.rollback().await,
        }
    }

    async fn run(&mut self, sql: &'static str, params: Vec<Value>) -> Result<Outcome, StoreError> {
        match &mut self.inner {
            Inner::Exclusive(transaction) => transaction.run(sql, params).await,
            Inner::Share(share) => share.run(sql, params).await,
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// A transaction on an engine, with nobody else in it.
pub(super) struct Exclusive {
    open: Open,
    /// From the wait for its connection to its end.
    step: Step,
}

/// The same, as the engine has it.
pub(super) enum Open {
    Sqlite(SqliteTransaction),
    Postgres(PostgresTransaction),
}

impl Exclusive {
    pub(super) const fn new(open: Open, step: Step) -> Self {
        Self { open, step }
    }

    pub(super) async fn run(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        let step = Step::part(self.step.id(), StepKind::Sql, sql);
        let result = match &mut self.open {
            Open::Sqlite(transaction) => transaction.run(sql, params).await,
            Open::Postgres(transaction) => transaction.run(sql, params).await,
        };
        outcome::end(step, &result);
        result
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let result = match self.open {
            Open::Sqlite(transaction) => transaction.commit().await,
            Open::Postgres(transaction) => transaction.commit().await,
        };
        match &result {
            Ok(()) => self.step.end("committed", None),
            Err(error) => self.step.fail(error.word()),
        }
        result
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        let result = match self.open {
            Open::Sqlite(transaction) => transaction.rollback().await,
            Open::Postgres(transaction) => transaction.rollback().await,
        };
        self.step.end("rolled_back", None);
        result
    }
}
