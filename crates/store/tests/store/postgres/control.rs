//! The control of what is said about callers that vanish: the same callers on a pool that is known
//! to hand on what they leave find it.

use sqlx_core::{Error, executor::Executor, row::Row, transaction::Transaction};
use sqlx_postgres::{PgPool, PgPoolOptions, Postgres};

use super::{
    fixture::Fixture,
    vanishing::{ALONE, Borrowed, CONNECTIONS, DROPS, FEW, Found, LOOK, Lender, vanish},
};

impl Lender for PgPool {
    type Borrowed = Transaction<'static, Postgres>;
    type Error = Error;

    async fn lend(&self) -> Result<Self::Borrowed, Error> {
        self.begin().await
    }

    async fn alone(&self) -> Result<(), Error> {
        self.execute(ALONE).await.map(drop)
    }
}

impl Borrowed for Transaction<'static, Postgres> {
    type Error = Error;

    async fn look(&mut self) -> Result<Found, Error> {
        let row = self.fetch_one(LOOK).await?;
        Ok(Found { is_clean: row.get(0), begun_at: row.get(1), mark: row.get(2) })
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), Error> {
        self.execute(sql).await.map(drop)
    }

    async fn commit(self) -> Result<(), Error> {
        Self::commit(self).await
    }
}

/// A cancelled `begin` leaves its connection inside a transaction (launchbadge/sqlx 4385, 4393).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_hands_on_a_transaction_is_found_out() {
    let fixture = Fixture::new().await;
    let options = PgPoolOptions::new().max_connections(CONNECTIONS as u32);
    let pool = options.connect(&fixture.url).await.expect("connects");
    let seen = vanish(pool, FEW, DROPS).await;
    assert!(!seen.poisoned.is_empty(), "{} dropped and nothing found", seen.gone);
}
