//! Single statements: pipelined, bounded, and never half done.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mainstay_store::{Database, DatabaseOptions, StoreError, params};

use super::fixture::{Fixture, open};
use crate::fixture::{SHORT, add, ids};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_connections_and_each_gets_its_own_answer() {
    // The one of the pool is for the case that the machine makes a lane seem slow.
    let fixture = Fixture::with(DatabaseOptions { pool_max: 1, ..Default::default() }).await;
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
    assert!(fixture.sessions(statements).await <= 5, "there are more than four lanes");
}

/// How many ran on each session, of statements that were asked for in the same moment.
async fn sessions_of(db: &Database, statements: usize) -> Vec<usize> {
    let ask = || db.query_one::<(i32,)>("SELECT pg_backend_pid()", params![]);
    let mut on_each = BTreeMap::new();
    for answer in join_all((0..statements).map(|_| ask())).await {
        let (session,) = answer.expect("an answer");
        *on_each.entry(session).or_insert(0) += 1;
    }
    on_each.into_values().collect()
}

// On one thread: nothing is sent before all have asked.
#[tokio::test]
async fn what_is_asked_in_one_moment_shares_a_session_and_more_is_spread_over_all() {
    let fixture = Fixture::new().await;
    // A lane takes little until it has shown that it is quick, and again when the machine is busy.
    let shared = async {
        while sessions_of(&fixture.db, 32).await != [32]
            || sessions_of(&fixture.db, 128).await != [32; 4]
        {}
    };
    tokio::time::timeout(Duration::from_secs(30), shared).await.expect("lanes that are quick");
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

/// `count` callers, each with a statement that takes a minute if nobody stops it; returns once the
/// server is at all of them.
async fn sleepers(fixture: &Fixture, count: i64) -> Vec<tokio::task::JoinHandle<()>> {
    let mut sleepers = Vec::new();
    for under_way in 1..=count {
        let db = fixture.db.clone();
        sleepers.push(tokio::spawn(async move {
            let stopped = db.query::<()>("SELECT pg_sleep(60)", params![]).await;
            stopped.expect_err("nobody waits for a minute");
        }));
        while fixture.sessions(SLEEPS).await < under_way {}
    }
    sleepers
}

/// For long enough that a lane is held up by it.
const SLEEPS: &str = "query LIKE 'SELECT pg_sleep%' AND state = 'active' \
                      AND clock_timestamp() - query_start > interval '50 ms'";

#[tokio::test]
async fn what_was_not_sent_is_not_run_and_who_waits_too_long_is_told() {
    let options = DatabaseOptions {
        lanes: 1,
        pool_max: 1,
        acquire_timeout: SHORT,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let held = fixture.db.begin().await.expect("begins");
    let sleeping = sleepers(&fixture, 1).await;
    let (first, second, third) =
        tokio::join!(add(&fixture.db, 1), add(&fixture.db, 2), add(&fixture.db, 3));
    for refused in [first, second, third] {
        assert!(matches!(refused, Err(StoreError::Overloaded(_))), "{refused:?}");
    }
    let dropped = tokio::time::timeout(SHORT / 2, add(&fixture.db, 4)).await;
    assert!(!matches!(dropped, Ok(Ok(_))), "there was a connection for it");
    held.rollback().await.expect("is undone");
    add(&fixture.db, 5).await.expect("there is a connection");
    assert_eq!(ids(&fixture.db).await, [5]);
    sleeping.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn slow_statements_on_every_lane_hold_up_nobody() {
    let fixture = Fixture::new().await;
    let sleeping = sleepers(&fixture, 4).await;
    let begun = Instant::now();
    for id in 0..20 {
        add(&fixture.db, id).await.expect("is answered");
    }
    assert_eq!(ids(&fixture.db).await.len(), 20);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(fixture.sessions(SLEEPS).await, 4, "the slow ones are still there");
    sleeping.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_waits_for_a_lock_holds_up_nobody() {
    let fixture = Fixture::new().await;
    add(&fixture.db, 1).await.expect("is new");
    let mut holder = fixture.outside.begin().await.expect("begins");
    let lock = "LOCK TABLE notes IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock, params![]).await.expect("is locked");
    let write = "UPDATE notes SET body = body || '+' WHERE id = 1";
    let callers: Vec<_> = (0..8)
        .map(|n| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    return db.execute(write, params![]).await.map(|changed| changed == 1);
                }
                let rows = db.query::<(i64,)>("SELECT id FROM notes", params![]).await;
                rows.map(|rows| rows == [(1,)])
            })
        })
        .collect();
    while fixture.sessions("wait_event_type = 'Lock'").await < 8 {}
    let begun = Instant::now();
    for n in 0..100_i64 {
        let (answer,): (i64,) =
            fixture.db.query_one("SELECT $1::bigint", params![n]).await.expect("is answered");
        assert_eq!(answer, n);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Not by their sessions: who moves from a lane to the pool waits in neither for a moment.
    assert!(callers.iter().all(|caller| !caller.is_finished()), "they are still waiting");
    holder.commit().await.expect("is committed");
    for caller in callers {
        assert!(caller.await.expect("no panic").expect("has the lock at last"));
    }
    let body = "SELECT body FROM notes WHERE id = 1";
    let (body,): (String,) = fixture.db.query_one(body, params![]).await.expect("is read");
    assert!(body.ends_with("++++") && !body.ends_with("+++++"), "each wrote once: {body}");
}

#[tokio::test]
async fn who_waits_for_a_lock_too_long_is_told() {
    let options = DatabaseOptions { busy_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let mut holder = fixture.outside.begin().await.expect("begins");
    let lock = "LOCK TABLE notes IN EXCLUSIVE MODE";
    holder.execute(lock, params![]).await.expect("is locked");
    let late = add(&fixture.db, 1).await;
    assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
    let mut tx = fixture.db.begin().await.expect("begins");
    let late = tx.execute("DELETE FROM notes", params![]).await;
    assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_waits_for_is_cancelled_and_its_neighbours_are_answered() {
    let options = DatabaseOptions { lanes: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let neighbour = "SELECT $1::bigint";
    // The lane gets as deep as it may be.
    for n in 0..100_i64 {
        fixture.db.query::<()>(neighbour, params![n]).await.expect("is answered");
    }
    let process = "SELECT pg_backend_pid()";
    let (before,): (i64,) = fixture.db.query_one(process, params![]).await.expect("is read");
    for round in 0..20 {
        // All are sent before anything is known to be slow.
        let slow: &'static str = format!("SELECT pg_sleep(60 + {round})").leak();
        let sleeping: Vec<_> = (0..4)
            .map(|_| {
                let db = fixture.db.clone();
                tokio::spawn(async move { db.query::<()>(slow, params![]).await.map(drop) })
            })
            .collect();
        let behind: Vec<_> = (0..16_i64)
            .map(|n| {
                let db = fixture.db.clone();
                tokio::spawn(async move { db.query_one::<(i64,)>(neighbour, params![n]).await })
            })
            .collect();
        while fixture.sessions("query LIKE 'SELECT pg_sleep%' AND state = 'active'").await == 0 {}
        sleeping.iter().for_each(tokio::task::JoinHandle::abort);
        for (n, neighbour) in (0..16_i64).zip(behind) {
            assert_eq!(neighbour.await.expect("no panic").expect("is answered"), (n,));
        }
        while fixture.sessions("query LIKE 'SELECT pg_sleep%' AND state = 'active'").await > 0 {}
    }
    let lane: &'static str = format!("pid = {before}").leak();
    assert_eq!(fixture.sessions(lane).await, 1, "the connection was closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_with_the_cancellation_of_somebody_else() {
    let options = DatabaseOptions { lanes: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let neighbour = "SELECT pg_sleep(0.004)";
    for round in 0..ROUNDS {
        // It ends about when its cancellation arrives, which is then for whoever is next.
        let ends = "SELECT pg_sleep(0.009 + $1 * 0.0002)";
        let db = fixture.db.clone();
        let leaving = tokio::spawn(async move {
            db.query::<()>(ends, params![f64::from(round % 40)]).await.map(drop)
        });
        // On a lane, or on a connection of the pool once it is known to be slow.
        let is_under_way = || {
            let now = fixture.db.connections().expect("a server's");
            now.lanes_busy > 0 || !now.holders.is_empty()
        };
        while !leaving.is_finished() && !is_under_way() {
            tokio::task::yield_now().await;
        }
        let staying: Vec<_> = (0..3)
            .map(|_| {
                let db = fixture.db.clone();
                tokio::spawn(async move { db.query::<()>(neighbour, params![]).await.map(drop) })
            })
            .collect();
        leaving.abort();
        for neighbour in staying {
            neighbour.await.expect("no panic").expect("is answered");
        }
    }
}

/// Enough for many cancellations to come too late: without the second try, one of the first sixty
/// neighbours is answered with a cancellation.
const ROUNDS: u32 = 200;

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
