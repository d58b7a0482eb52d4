//! Callers that vanish at any moment leave nothing behind, and hit nobody else.

use std::time::Duration;

use mainstay_store::{Database, DatabaseOptions, StoreError, Transaction, params};
use mainstay_test_databases::Engine;

use super::{
    fixture::Fixture,
    vanishing::{
        ALONE, Borrowed, CONNECTIONS, CROWD, DROPS, FEW, Found, LOOK, Lender, drops, vanish,
    },
};

impl Lender for Database {
    type Borrowed = Transaction;
    type Error = StoreError;

    async fn lend(&self) -> Result<Transaction, StoreError> {
        self.begin().await
    }

    async fn alone(&self) -> Result<(), StoreError> {
        self.query::<()>(ALONE, params![]).await.map(drop)
    }
}

impl Borrowed for Transaction {
    type Error = StoreError;

    async fn look(&mut self) -> Result<Found, StoreError> {
        let (is_clean, begun_at, mark) = self.query_one(LOOK, params![]).await?;
        Ok(Found { is_clean, begun_at, mark })
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        self.execute(sql, params![]).await.map(drop)
    }

    async fn commit(self) -> Result<(), StoreError> {
        Self::commit(self).await
    }
}

async fn check(engine: Engine) {
    let minute = Duration::from_mins(1);
    let options = DatabaseOptions {
        pool_max: CONNECTIONS,
        acquire_timeout: minute,
        statement_timeout: minute,
        transaction_timeout: minute,
        transaction_idle_timeout: minute,
        ..DatabaseOptions::default()
    };
    let connections = options.pool_max + options.lanes;
    let fixture = Fixture::on(engine, options).await;
    for workers in [CROWD, FEW] {
        let drops = drops(DROPS) / 2;
        let seen = vanish(fixture.db.clone(), workers, drops).await;
        assert_eq!(seen.poisoned, [""; 0], "somebody else's transaction");
        assert_eq!(seen.failed, [""; 0]);
        assert!(seen.gone >= drops - workers && seen.done > 100, "{seen:?}");
    }
    // The pool is whole: as many transactions as it has connections at once.
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        all.push(fixture.db.begin().await.expect("a connection for each"));
    }
    for tx in all {
        tx.commit().await.expect("is committed");
    }
    assert_eq!(fixture.sessions("state LIKE 'idle in transaction%'").await, 0);
    // A pooler keeps as many as it likes.
    let sessions = fixture.sessions("true").await;
    assert!(sessions <= connections as i64 || engine == Engine::PgBouncer, "{sessions}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_vanish_leave_no_poisoned_connection_and_cancel_nobody() {
    check(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_vanish_behind_a_pooler_leave_no_poisoned_connection_and_cancel_nobody() {
    check(Engine::PgBouncer).await;
}
