//! One writer, some readers and their queues: who waits, who is refused, who never meets.

use mainstay_core::Fault;
use mainstay_store::{
    DatabaseFigures, DatabaseOptions, STORE_OVERLOADED, SqliteFigures, StoreError, params,
};

use super::fixture::{ENDLESS, Fixture, SHORT};
use crate::transactions::{begin_with, create_accounts};

#[tokio::test]
async fn a_caller_is_told_that_its_write_was_not_started() {
    let options = DatabaseOptions { queue_wait_max: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let tx = begin_with(&fixture.db, 1).await;
    let waiting = fixture.add(2).await.expect_err("the writer is taken");
    assert!(matches!(waiting, StoreError::Overloaded(_)), "{waiting:?}");
    let waiting = fixture.db.begin().await.expect_err("the writer is taken");
    assert!(matches!(waiting, StoreError::Overloaded(_)), "{waiting:?}");
    tx.commit().await.expect("is committed");
    fixture.add(3).await.expect("the writer is free");
    assert_eq!(fixture.ids().await, [1, 3], "what was not started stays so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_transactions_lose_no_update() {
    let fixture = Fixture::new().await;
    create_accounts(&fixture.db).await;
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut tx = db.begin().await.expect("the writer comes free");
                    let read = "SELECT balance FROM accounts WHERE id = 0";
                    let (balance,): (i64,) = tx.query_one(read, params![]).await.expect("there");
                    let write = "UPDATE accounts SET balance = $1 WHERE id = 0";
                    tx.execute(write, params![balance + 1]).await.expect("is written");
                    tx.commit().await.expect("is committed");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no transaction failed");
    }
    let read = "SELECT balance FROM accounts WHERE id = 0";
    let balance = fixture.db.query_one::<(i64,)>(read, params![]).await.expect("is read");
    assert_eq!(balance, (320,));
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing() {
    let options = DatabaseOptions { readers: 1, read_queue_max: 2, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let endless: Vec<_> = (0..8)
        .map(|_| {
            let db = fixture.db.clone();
            tokio::spawn(async move { db.query::<(i64,)>(ENDLESS, params![]).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let refused =
        fixture.db.query::<()>("SELECT 1", params![]).await.expect_err("the queue is full");
    assert_eq!(refused.code(), STORE_OVERLOADED);
    assert!(refused.retry_after().is_some());
    endless.iter().for_each(tokio::task::JoinHandle::abort);
    for task in endless {
        // Those that found the queue full ended by themselves.
        if let Ok(result) = task.await {
            assert!(matches!(result, Err(StoreError::Overloaded(_))), "{result:?}");
        }
    }
    // What was given up leaves the queue as the reader comes to it.
    while let Err(error) = fixture.db.query::<()>("SELECT 1", params![]).await {
        assert!(matches!(error, StoreError::Overloaded(_)), "{error:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waits_what_is_refused_and_what_is_committed_is_counted() {
    let options = DatabaseOptions { queue_wait_max: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let figures = || match fixture.db.figures() {
        DatabaseFigures::Sqlite(figures) => figures,
        DatabaseFigures::Postgres(_) => panic!("it is embedded"),
    };
    let commits = |figures: &SqliteFigures| figures.commits.counts.iter().sum::<u64>();
    let before = figures();
    let tx = begin_with(&fixture.db, 1).await;
    fixture.add(2).await.expect_err("the writer is taken");
    assert_eq!(figures().refused, before.refused + 1);
    assert_eq!(figures().writes_waiting, 1, "given up by its caller, and still in the queue");
    tx.commit().await.expect("is committed");
    fixture.add(3).await.expect("the writer is free");
    let after = figures();
    assert_eq!(after.committed, before.committed + 2);
    assert_eq!(commits(&after), commits(&before) + 2, "nobody else waited, so each was alone");
    assert!(after.commits.sum > before.commits.sum);
    assert_eq!(after.writes_waiting, 0);
}
