//! Transactions: all or nothing, whoever goes away and when.

use std::{future::Future, pin::pin, task::Poll};

use mainstay_store::{Database, DatabaseOptions, StoreError, Transaction, params};

use crate::fixture::{ENDLESS, Fixture, SHORT, add};

const INSERT: &str = "INSERT INTO notes (id, body) VALUES ($1, 'tx')";

pub(crate) async fn begin_with(db: &Database, id: i64) -> Transaction {
    let mut tx = db.begin().await.expect("the writer is free");
    tx.execute(INSERT, params![id]).await.expect("the id is new");
    tx
}

#[tokio::test]
async fn a_committed_transaction_is_seen_and_an_undone_one_is_not() {
    let fixture = Fixture::new().await;
    let mut tx = begin_with(&fixture.db, 1).await;
    let own: Vec<(i64,)> = tx.query("SELECT id FROM notes", params![]).await.expect("is read");
    assert_eq!(own, [(1,)], "a transaction sees its own writes");
    assert!(fixture.ids().await.is_empty(), "nobody else does");
    tx.commit().await.expect("is committed");
    assert_eq!(fixture.ids().await, [1]);
    begin_with(&fixture.db, 2).await.rollback().await.expect("is undone");
    drop(begin_with(&fixture.db, 3).await);
    fixture.add(4).await.expect("the writer is free again at once");
    assert_eq!(fixture.ids().await, [1, 4]);
}

#[tokio::test]
async fn a_failed_statement_ends_the_transaction() {
    let fixture = Fixture::new().await;
    let mut tx = begin_with(&fixture.db, 1).await;
    let again = tx.execute(INSERT, params![1]).await.expect_err("the id is taken");
    assert!(again.violates("notes_pkey"), "{again:?}");
    let later = tx.execute(INSERT, params![2]).await.expect_err("the transaction has failed");
    assert!(matches!(later, StoreError::Internal(_)), "{later:?}");
    tx.commit().await.expect_err("the transaction has failed");
    assert!(fixture.ids().await.is_empty());
}

#[tokio::test]
async fn an_idle_transaction_is_undone() {
    let options = DatabaseOptions { transaction_idle_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let mut tx = begin_with(&fixture.db, 1).await;
    // Waits for whoever has the id, so until the idle transaction has been given up.
    fixture.add(1).await.expect("the id is free");
    let late = tx.execute(INSERT, params![3]).await.expect_err("was given up");
    assert!(matches!(late, StoreError::TimedOut(_)), "{late:?}");
    tx.commit().await.expect_err("was given up");
    assert_eq!(fixture.ids().await, [1]);
}

#[tokio::test]
async fn a_long_transaction_is_undone_however_busy() {
    let options = DatabaseOptions { transaction_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let mut tx = begin_with(&fixture.db, 1).await;
    let error = loop {
        if let Err(error) = tx.query::<()>("SELECT 1", params![]).await {
            break error;
        }
    };
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    let mut tx = begin_with(&fixture.db, 2).await;
    tx.query::<()>(ENDLESS, params![]).await.expect_err("never ends");
    tx.commit().await.expect_err("was given up");
    assert!(fixture.ids().await.is_empty());
}

/// Polls `future` at most `polls` times, then drops it.
pub(crate) async fn dropped_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| match (left, future.as_mut().poll(context)) {
        (_, Poll::Ready(output)) => Poll::Ready(Some(output)),
        (0, Poll::Pending) => Poll::Ready(None),
        (_, Poll::Pending) => {
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

const MOVE: &str = "UPDATE accounts SET balance = balance + $2 WHERE id = $1";

async fn transfer(db: &Database, id: i64, from: i64, to: i64) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    // In the order of the accounts: two that wait for each other would both be refused.
    let mut moves = [(from, -1), (to, 1)];
    moves.sort_unstable();
    for (account, amount) in moves {
        tx.execute(MOVE, params![account, amount]).await?;
    }
    tx.execute("INSERT INTO transfers (id) VALUES ($1)", params![id]).await?;
    tx.commit().await
}

pub(crate) async fn create_accounts(db: &Database) {
    for sql in [
        "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL)",
        "CREATE TABLE transfers (id bigint PRIMARY KEY)",
        "INSERT INTO accounts (id, balance) VALUES (0, 0), (1, 0), (2, 0), (3, 0)",
    ] {
        db.execute(sql, params![]).await.expect(sql);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_vanish_at_any_moment_never_leave_half_a_transfer() {
    let fixture = Fixture::new().await;
    create_accounts(&fixture.db).await;
    let workers: Vec<_> = (0..16_i64)
        .map(|worker| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for id in (0..40).map(|n| worker * 1000 + n) {
                    let (from, to) = (id % 4, (id * 7 + 1) % 4);
                    let polls = (id * 31 % 97) as u32 * 20;
                    match dropped_after(polls, transfer(&db, id, from, to)).await {
                        Some(Ok(())) => acknowledged.push(id),
                        Some(Err(error)) => panic!("{error:?}"),
                        None => {}
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for worker in workers {
        acknowledged.extend(worker.await.expect("no transfer failed"));
    }
    // A commit whose caller has just gone may be on its way; a change of the same rows waits for
    // it.
    let touch = "UPDATE accounts SET balance = balance";
    fixture.db.execute(touch, params![]).await.expect("the writer is well");
    let kept: Vec<(i64,)> =
        fixture.db.query("SELECT id FROM transfers", params![]).await.expect("is read");
    assert!(!acknowledged.is_empty() && kept.len() < 640, "the test drops some and keeps some");
    assert!(acknowledged.iter().all(|id| kept.contains(&(*id,))), "an acknowledged one is lost");
    for account in 0..4 {
        let moved =
            |kept: i64| i64::from((kept * 7 + 1) % 4 == account) - i64::from(kept % 4 == account);
        let expected: i64 = kept.iter().map(|(id,)| moved(*id)).sum();
        let sql = "SELECT balance FROM accounts WHERE id = $1";
        let (balance,): (i64,) =
            fixture.db.query_one(sql, params![account]).await.expect("is there");
        assert_eq!(balance, expected, "account {account} holds half a transfer");
    }
}

#[tokio::test]
async fn a_dropped_statement_dooms_its_transaction() {
    let fixture = Fixture::new().await;
    let mut tx = begin_with(&fixture.db, 1).await;
    // Slow enough to be dropped before it ends.
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) \
                INSERT INTO notes (id, body) SELECT max(i), 'slow' FROM n";
    assert!(dropped_after(0, tx.execute(slow, params![])).await.is_none());
    let commit = tx.commit().await;
    // Nobody knows whether the dropped statement ran, so nothing may be kept.
    commit.expect_err("the transaction is doomed");
    add(&fixture.db, 9).await.expect("the writer is free");
    assert_eq!(fixture.ids().await, [9]);
}
