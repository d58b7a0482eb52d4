//! The unit of work: what an attempt writes is kept with its answer or not at all.

use std::{error::Error, time::Duration};

use mainstay_core::{Attempt, Completion};
use mainstay_store::{StoreError, params};

use crate::{
    attempts::{Keeper, answer, keep, request, within},
    fixture::{Fixture, add, ids},
    transactions::dropped_after,
};

const INSERT: &str = "INSERT INTO notes (id, body) VALUES ($1, 'tx')";

async fn begun() -> (Keeper, Box<dyn Attempt>) {
    let keeper = Keeper::new().await;
    let attempt = keeper.fresh(request(1, 1)).await;
    (keeper, attempt)
}

/// Looks until the claim has been given up, which a dropped attempt does in a task.
async fn claimed_again(keeper: &Keeper) -> Box<dyn Attempt> {
    let looking = async {
        loop {
            if let mainstay_core::Claim::Fresh(attempt) = keeper.claim(request(1, 1)).await {
                return attempt;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("the claim is given up")
}

fn is_doomed(error: &StoreError) -> bool {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    matches!(error, StoreError::Internal(_)) && cause.contains("unit of work")
}

#[tokio::test]
async fn what_is_written_is_seen_by_nobody_else_until_the_answer_is_kept() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    let own = within(&mut attempt, async {
        add(&db, 1).await.expect("the id is new");
        add(&db, 2).await.expect("the id is new");
        ids(&db).await
    });
    assert_eq!(own.await, [1, 2], "its own reads do");
    assert!(keeper.fixture.ids().await.is_empty());
    keep(attempt).await;
    assert_eq!(keeper.fixture.ids().await, [1, 2]);
    assert_eq!(keeper.look(request(1, 1)).await, "answered");
}

#[tokio::test]
async fn a_dropped_attempt_leaves_nothing_and_its_key_is_free() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async { add(&db, 1).await.expect("the id is new") }).await;
    drop(attempt);
    let again = claimed_again(&keeper).await;
    assert!(keeper.fixture.ids().await.is_empty());
    again.give_up().await;
    assert_eq!(keeper.look(request(1, 2)).await, "fresh", "for any body");
}

#[tokio::test]
async fn work_that_is_dropped_in_the_middle_leaves_nothing() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    let (wrote, written) = tokio::sync::oneshot::channel();
    let working = async {
        add(&db, 1).await.expect("the id is new");
        wrote.send(()).expect("somebody waits");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = within(&mut attempt, working) => unreachable!("it never ends"),
        told = written => told.expect("it was written"),
    }
    drop(attempt);
    claimed_again(&keeper).await;
    assert!(keeper.fixture.ids().await.is_empty());
}

#[tokio::test]
async fn nothing_is_held_before_the_first_write() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async {
        assert!(ids(&db).await.is_empty());
        let elsewhere = db.clone();
        // Would wait for the writer of the embedded engine, if the unit had it.
        let other = tokio::spawn(async move { add(&elsewhere, 1).await });
        other.await.expect("no panic").expect("the writer is free");
        add(&db, 2).await.expect("the id is new");
    })
    .await;
    attempt.give_up().await;
    assert_eq!(keeper.fixture.ids().await, [1], "a task of its own is no part of it");
}

#[tokio::test]
async fn a_first_write_that_fails_leaves_the_unit_as_new() {
    let (keeper, mut attempt) = begun().await;
    keeper.fixture.add(1).await.expect("the id is new");
    let db = keeper.db().clone();
    within(&mut attempt, async {
        let taken = add(&db, 1).await.expect_err("the id is taken");
        assert!(taken.violates("notes_pkey"), "{taken:?}");
        add(&db, 2).await.expect("nothing had been written");
    })
    .await;
    keep(attempt).await;
    assert_eq!(keeper.fixture.ids().await, [1, 2]);
}

#[tokio::test]
async fn a_later_write_that_fails_dooms_the_unit() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async {
        add(&db, 1).await.expect("the id is new");
        add(&db, 1).await.expect_err("the id is taken");
        // What the work was told to have written is gone, so it must not go on as if it were there.
        assert!(is_doomed(&add(&db, 2).await.expect_err("the unit is doomed")));
        assert!(is_doomed(&db.begin().await.expect_err("the unit is doomed")));
        assert!(ids(&db).await.is_empty());
    })
    .await;
    attempt.complete(answer()).await.expect_err("nothing was kept");
    assert!(keeper.fixture.ids().await.is_empty());
    claimed_again(&keeper).await;
}

#[tokio::test]
async fn a_transaction_within_is_a_part_of_the_unit() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async {
        add(&db, 1).await.expect("the id is new");
        let mut tx = db.begin().await.expect("the unit has a transaction");
        tx.execute(INSERT, params![2]).await.expect("the id is new");
        let seen: Vec<(i64,)> =
            tx.query("SELECT id FROM notes ORDER BY id", params![]).await.expect("is read");
        assert_eq!(seen, [(1,), (2,)]);
        tx.commit().await.expect("is promised");
    })
    .await;
    assert!(keeper.fixture.ids().await.is_empty(), "its commit is the unit's");
    keep(attempt).await;
    assert_eq!(keeper.fixture.ids().await, [1, 2]);
}

#[tokio::test]
async fn a_transaction_within_that_is_undone_was_all_there_was() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async {
        for id in 1..=3 {
            let mut tx = db.begin().await.expect("the unit is new");
            tx.execute(INSERT, params![id]).await.expect("the id is new");
            match id {
                1 => tx.rollback().await.expect("is undone"),
                2 => drop(tx),
                _ => {
                    tx.execute(INSERT, params![id]).await.expect_err("the id is taken");
                    tx.execute(INSERT, params![9]).await.expect_err("only rollback works");
                    tx.commit().await.expect_err("only rollback works");
                }
            }
        }
        add(&db, 4).await.expect("the unit is new");
    })
    .await;
    keep(attempt).await;
    assert_eq!(keeper.fixture.ids().await, [4]);
}

#[tokio::test]
async fn a_transaction_within_that_is_undone_takes_what_was_written_before_with_it() {
    for is_dropped in [false, true] {
        let (keeper, mut attempt) = begun().await;
        let db = keeper.db().clone();
        within(&mut attempt, async {
            add(&db, 1).await.expect("the id is new");
            let mut tx = db.begin().await.expect("the unit has a transaction");
            tx.execute(INSERT, params![2]).await.expect("the id is new");
            if is_dropped {
                drop(tx);
            } else {
                tx.rollback().await.expect("is undone");
            }
            assert!(is_doomed(&add(&db, 3).await.expect_err("the unit is doomed")));
        })
        .await;
        attempt.complete(answer()).await.expect_err("nothing was kept");
        assert!(keeper.fixture.ids().await.is_empty());
    }
}

#[tokio::test]
async fn a_transaction_that_outlives_the_work_was_never_committed() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    let mut left = within(&mut attempt, async {
        let mut tx = db.begin().await.expect("the unit is new");
        tx.execute(INSERT, params![1]).await.expect("the id is new");
        tx
    })
    .await;
    attempt.complete(answer()).await.expect_err("somebody is still at it");
    left.execute(INSERT, params![2]).await.expect_err("the unit is over");
    left.commit().await.expect_err("the unit is over");
    assert!(keeper.fixture.ids().await.is_empty());
}

#[tokio::test]
async fn another_database_and_what_is_written_later_are_no_part_of_it() {
    let (keeper, mut attempt) = begun().await;
    let other = Fixture::new().await;
    let db = keeper.db().clone();
    within(&mut attempt, async {
        db.execute_later(INSERT, params![7]);
        other.add(1).await.expect("the id is new");
        add(&db, 1).await.expect("the id is new");
    })
    .await;
    attempt.give_up().await;
    assert_eq!(other.ids().await, [1]);
    let looking = async {
        while keeper.fixture.ids().await != [7] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("it is written");
}

#[tokio::test]
async fn statements_at_the_same_time_take_turns() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    let added = within(&mut attempt, async {
        tokio::join!(add(&db, 1), add(&db, 2), ids(&db), add(&db, 3))
    });
    assert!(matches!(added.await, (Ok(1), Ok(1), _, Ok(1))));
    keep(attempt).await;
    assert_eq!(keeper.fixture.ids().await, [1, 2, 3]);
}

#[tokio::test]
async fn a_first_write_that_is_dropped_leaves_the_unit_as_new_and_a_later_one_dooms_it() {
    for is_first in [true, false] {
        let (keeper, mut attempt) = begun().await;
        let db = keeper.db().clone();
        // Slow enough to be dropped before it ends.
        let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                    WHERE i < 1000000) INSERT INTO notes (id, body) SELECT max(i), 'slow' FROM n";
        within(&mut attempt, async {
            if !is_first {
                add(&db, 1).await.expect("the id is new");
            }
            assert!(dropped_after(1, db.execute(slow, params![])).await.is_none());
            assert_eq!(add(&db, 2).await.is_ok(), is_first);
        })
        .await;
        assert_eq!(attempt.complete(answer()).await.is_ok(), is_first);
        assert_eq!(keeper.fixture.ids().await, if is_first { vec![2] } else { vec![] });
    }
}

#[tokio::test]
async fn an_attempt_without_a_write_keeps_its_answer() {
    let (keeper, mut attempt) = begun().await;
    let db = keeper.db().clone();
    within(&mut attempt, async { ids(&db).await }).await;
    let completed = attempt.complete(answer()).await.expect("the store answers");
    assert_eq!(completed, Completion::Kept);
    assert_eq!(keeper.look(request(1, 1)).await, "answered");
}
