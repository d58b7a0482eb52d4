//! Single statements: pipelined, bounded, and never half done.

use std::time::{Duration, Instant};

use mainstay_store::{DatabaseOptions, StoreError, params};

use super::fixture::{Fixture, open};
use crate::fixture::{SHORT, add, ids};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_connections_and_each_gets_its_own_answer() {
    let fixture = Fixture::new().await;
    let callers: Vec<_> = (0..64_i64)
        .map(|caller| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    let asked = caller * 1000 + n;
                    let (answer,): (i64,) =
                        db.query_one("SELECT $1::bigint", params![asked]).await.expect("an answer");
                    assert_eq!(answer, asked);
                    if n == 50 {
                        add(&db, asked).await.expect("is new");
                        add(&db, asked).await.expect_err("is there");
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("every answer was right");
    }
    assert_eq!(ids(&fixture.outside).await.len(), 64);
    let statements = "query LIKE 'SELECT $1%' OR query LIKE 'INSERT%'";
    assert!(fixture.sessions(statements).await <= 2, "there are more than two lanes");
}

#[tokio::test]
async fn a_slow_statement_holds_up_nobody_while_another_lane_is_free() {
    let fixture = Fixture::new().await;
    let db = fixture.db.clone();
    let slow = tokio::spawn(async move { db.query::<()>("SELECT pg_sleep(1)", params![]).await });
    // Before that it could be a fast one.
    let is_slow = "query LIKE 'SELECT pg_sleep%' AND state = 'active' \
                   AND clock_timestamp() - query_start > interval '20 ms'";
    while fixture.sessions(is_slow).await == 0 {}
    let begun = Instant::now();
    for _ in 0..20 {
        fixture.db.query::<()>("SELECT 1", params![]).await.expect("the other lane answers");
    }
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    slow.await.expect("no panic").expect("it is only slow");
}

#[tokio::test]
async fn a_statement_is_stopped_at_its_time_limit() {
    let options = DatabaseOptions { statement_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let late = fixture.db.query::<()>("SELECT pg_sleep(60)", params![]).await;
    assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
    let mut tx = fixture.db.begin().await.expect("begins");
    let late = tx.query::<()>("SELECT pg_sleep(60)", params![]).await;
    assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
    tx.rollback().await.expect("is undone");
}

#[tokio::test]
async fn what_was_not_sent_is_not_run_and_who_waits_too_long_is_told() {
    let options = DatabaseOptions {
        lanes: 1,
        lane_depth: 1,
        queue_wait_max: SHORT,
        read_queue_max: 2,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let db = fixture.db.clone();
    let slow = tokio::spawn(async move { db.query::<()>("SELECT pg_sleep(1)", params![]).await });
    while fixture.sessions("query LIKE 'SELECT pg_sleep%' AND state = 'active'").await == 0 {}
    let (first, second, third) =
        tokio::join!(add(&fixture.db, 1), add(&fixture.db, 2), add(&fixture.db, 3));
    for refused in [first, second, third] {
        assert!(matches!(refused, Err(StoreError::Overloaded(_))), "{refused:?}");
    }
    let dropped = tokio::time::timeout(SHORT / 2, add(&fixture.db, 4)).await;
    assert!(dropped.is_err(), "the lane was not busy");
    slow.await.expect("no panic").expect("it is only slow");
    add(&fixture.db, 5).await.expect("the lane is free");
    assert_eq!(ids(&fixture.db).await, [5]);
}

#[tokio::test]
async fn a_changed_table_is_no_error() {
    let fixture = Fixture::new().await;
    let read = "SELECT * FROM notes";
    for _ in 0..4 {
        fixture.db.query::<()>(read, params![]).await.expect("is prepared on each lane");
    }
    let alter = "ALTER TABLE notes ADD COLUMN extra bigint";
    fixture.db.execute(alter, params![]).await.expect("is altered");
    for _ in 0..4 {
        fixture.db.query::<()>(read, params![]).await.expect("is prepared again");
    }
}

#[tokio::test]
async fn close_finishes_what_waits_and_refuses_more() {
    let options = DatabaseOptions { lanes: 1, lane_depth: 2, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let adding: Vec<_> = (0..20)
        .map(|id| {
            let db = fixture.db.clone();
            tokio::spawn(async move { add(&db, id).await })
        })
        .collect();
    tokio::task::yield_now().await;
    fixture.db.close().await;
    for task in adding {
        assert_eq!(task.await.expect("no panic").expect("waited before"), 1);
    }
    let refused = add(&fixture.db, 99).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let refused = fixture.db.begin().await.err();
    assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(ids(&open(&fixture.url, DatabaseOptions::default()).await).await.len(), 20);
}
