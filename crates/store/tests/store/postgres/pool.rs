//! The pool: as many connections as allowed, handed over in order, and never a bad one.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use mainstay_core::{Distribution, Health, HealthCheck, Work};
use mainstay_store::{Database, DatabaseFigures, DatabaseOptions, StoreError, Transaction, params};

use super::fixture::{Fixture, at, open};
use crate::fixture::{SHORT, add, ids};

const INSERT: &str = "INSERT INTO notes (id, body) VALUES ($1, 'tx')";

async fn begin_with(db: &Database, id: i64) -> Transaction {
    let mut tx = db.begin().await.expect("begins");
    tx.execute(INSERT, params![id]).await.expect("the id is new");
    tx
}

async fn pid(tx: &mut Transaction) -> i64 {
    tx.query_one::<(i64,)>("SELECT pg_backend_pid()", params![]).await.expect("is read").0
}

#[tokio::test]
async fn a_committed_transaction_is_seen_and_an_undone_one_is_not() {
    let fixture = Fixture::new().await;
    let mut tx = begin_with(&fixture.db, 1).await;
    let own: Vec<(i64,)> = tx.query("SELECT id FROM notes", params![]).await.expect("is read");
    assert_eq!(own, [(1,)]);
    assert!(ids(&fixture.db).await.is_empty(), "nobody else sees it");
    tx.commit().await.expect("is committed");
    begin_with(&fixture.db, 2).await.rollback().await.expect("is undone");
    drop(begin_with(&fixture.db, 3).await);
    let mut tx = begin_with(&fixture.db, 4).await;
    tx.execute(INSERT, params![1]).await.expect_err("the id is taken");
    let later = tx.execute(INSERT, params![5]).await.expect_err("has failed");
    assert!(matches!(later, StoreError::Internal(_)), "{later:?}");
    tx.commit().await.expect_err("has failed");
    assert_eq!(ids(&fixture.db).await, [1]);
}

#[tokio::test]
async fn a_deferred_constraint_speaks_at_the_commit() {
    let fixture = Fixture::new().await;
    let table = "CREATE TABLE late (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    fixture.db.execute(table, params![]).await.expect("is created");
    let mut tx = fixture.db.begin().await.expect("begins");
    let insert = "INSERT INTO late VALUES (1), (1)";
    tx.execute(insert, params![]).await.expect("is not looked at yet");
    let refused = tx.commit().await.expect_err("is refused");
    assert!(refused.violates("late_id_key"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_connections_than_allowed() {
    let options = DatabaseOptions { pool_max: 3, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let workers: Vec<_> = (0..24)
        .map(|id| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                let mut tx = begin_with(&db, id).await;
                tx.query::<()>("SELECT pg_sleep(0.01)", params![]).await.expect("sleeps");
                tx.commit().await.expect("is committed");
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("every transaction is committed");
    }
    assert!(fixture.sessions("query = 'COMMIT'").await <= 3);
    assert_eq!(ids(&fixture.db).await.len(), 24);
}

#[tokio::test]
async fn who_waits_is_served_in_order_and_told_when_it_takes_too_long() {
    let options =
        DatabaseOptions { pool_max: 1, acquire_timeout: SHORT * 3, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let tx = begin_with(&fixture.db, 1).await;
    let refused = fixture.db.begin().await.err();
    assert!(matches!(refused, Some(StoreError::Overloaded(_))), "{refused:?}");
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let waiting: Vec<_> = (0..4)
        .map(|n| {
            let (db, order) = (fixture.db.clone(), order.clone());
            tokio::spawn(async move {
                let tx = db.begin().await.expect("is served");
                order.lock().expect("is whole").push(n);
                tx.rollback().await.expect("is undone");
            })
        })
        .collect();
    tokio::task::yield_now().await;
    tx.rollback().await.expect("is undone");
    for waiter in waiting {
        waiter.await.expect("was served");
    }
    assert_eq!(*order.lock().expect("is whole"), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_queue_that_cannot_be_served_in_time_is_refused_at_once() {
    let options =
        DatabaseOptions { pool_max: 1, acquire_timeout: SHORT * 3, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    // What is expected is smoothed: an eighth of each, so about 250 ms.
    for _ in 0..2 {
        let mut tx = fixture.db.begin().await.expect("begins");
        tx.query::<()>("SELECT pg_sleep(1)", params![]).await.expect("sleeps");
        tx.rollback().await.expect("is undone");
    }
    let _held = fixture.db.begin().await.expect("begins");
    let db = fixture.db.clone();
    let first = tokio::spawn(async move { db.begin().await.err() });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let second = fixture.db.begin().await.err();
    assert!(matches!(second, Some(StoreError::Overloaded(_))), "{second:?}");
    assert!(begun.elapsed() < SHORT, "{:?}", begun.elapsed());
    assert!(first.await.expect("no panic").is_some(), "waited, and had no luck either");
}

#[tokio::test]
async fn who_holds_the_connections_is_told() {
    let options =
        DatabaseOptions { pool_max: 2, acquire_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let work = Work::new(Instant::now() + Duration::from_mins(1), "GET /slow".into());
    let first = work.clone().scope(fixture.db.begin()).await.expect("begins");
    let second = fixture.db.begin().await.expect("begins");
    let refused = fixture.db.begin().await.expect_err("there is no other");
    let cause = refused.source().expect("a cause").to_string();
    for part in ["2 of 2 are in use", "GET /slow (1, up to", "no request (1, up to"] {
        assert!(cause.contains(part), "{cause}");
    }
    let told = fixture.db.connections().expect("a server's");
    assert_eq!((told.pool_max, told.pool_open, told.pool_idle, told.pool_waiting), (2, 2, 0, 0));
    let names: Vec<_> = told.holders.iter().map(|h| (h.name.to_string(), h.count)).collect();
    assert_eq!(names, [("GET /slow".to_owned(), 1), ("no request".to_owned(), 1)]);
    first.rollback().await.expect("is undone");
    second.rollback().await.expect("is undone");
    let told = fixture.db.connections().expect("a server's");
    assert!(told.holders.is_empty() && told.pool_idle == 2, "{told:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_connection_beyond_the_deadline() {
    let options = DatabaseOptions { pool_max: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let begin_within = |left: Duration| {
        Work::new(Instant::now() + left, "GET /it".into()).scope(fixture.db.begin())
    };
    let held = fixture.db.begin().await.expect("begins");
    let begun = Instant::now();
    let refused = begin_within(SHORT).await.err();
    assert!(matches!(refused, Some(StoreError::Overloaded(_))), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    held.rollback().await.expect("is undone");
    // Now it is known how long a connection is held: longer than there is time.
    let mut slow = fixture.db.begin().await.expect("begins");
    slow.query::<()>("SELECT pg_sleep(1.5)", params![]).await.expect("sleeps");
    slow.rollback().await.expect("is undone");
    let _held = fixture.db.begin().await.expect("begins");
    let begun = Instant::now();
    let refused = begin_within(SHORT).await.err();
    assert!(matches!(refused, Some(StoreError::Overloaded(_))), "{refused:?}");
    assert!(begun.elapsed() < SHORT / 2, "refused at once: {:?}", begun.elapsed());
}

#[tokio::test]
async fn the_server_stops_a_statement_when_its_request_has_no_time_left() {
    let fixture = Fixture::new().await;
    let limit = "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'";
    let within = async {
        let mut tx = fixture.db.begin().await.expect("begins");
        let (limit,): (i64,) = tx.query_one(limit, params![]).await.expect("is read");
        let late = tx.query::<()>("SELECT pg_sleep(60)", params![]).await;
        assert!(matches!(late, Err(StoreError::TimedOut(_))), "{late:?}");
        limit
    };
    let work = Work::new(Instant::now() + SHORT, "GET /it".into());
    let during = work.scope(within).await;
    assert!(during <= SHORT.as_millis() as i64, "{during}");
    let mut tx = fixture.db.begin().await.expect("begins");
    let (after,): (i64,) = tx.query_one(limit, params![]).await.expect("is read");
    assert_eq!(after, 5000, "as configured, on the same connection");
}

#[tokio::test]
async fn an_idle_or_long_transaction_is_undone() {
    let options = DatabaseOptions {
        transaction_idle_timeout: SHORT,
        transaction_timeout: SHORT * 4,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let mut tx = begin_with(&fixture.db, 1).await;
    // The same id waits for the idle transaction, so until the server has ended it.
    add(&fixture.db, 1).await.expect("the id is free again");
    let late = tx.execute(INSERT, params![2]).await.expect_err("was given up");
    assert!(matches!(late, StoreError::TimedOut(_)), "{late:?}");
    tx.commit().await.expect_err("was given up");
    let mut tx = begin_with(&fixture.db, 3).await;
    let error = loop {
        if let Err(error) = tx.query::<()>("SELECT pg_sleep(0.01)", params![]).await {
            break error;
        }
    };
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    drop(tx);
    let mut tx = begin_with(&fixture.db, 4).await;
    let error = tx.query::<()>("SELECT pg_sleep(60)", params![]).await.expect_err("is stopped");
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    drop(tx);
    assert_eq!(ids(&fixture.db).await, [1]);
}

#[tokio::test]
async fn a_dropped_statement_is_cancelled_and_its_connection_used_again() {
    let options = DatabaseOptions { pool_max: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let mut tx = begin_with(&fixture.db, 1).await;
    let process = pid(&mut tx).await;
    let slow = tx.query::<()>("SELECT pg_sleep(60)", params![]);
    assert!(tokio::time::timeout(SHORT, slow).await.is_err());
    tx.commit().await.expect_err("nobody knows what the statement did");
    let mut tx = begin_with(&fixture.db, 2).await;
    assert_eq!(pid(&mut tx).await, process, "the connection was closed");
    tx.commit().await.expect("is committed");
    assert_eq!(ids(&fixture.db).await, [2]);
}

#[tokio::test]
async fn a_server_that_goes_away_retires_every_connection() {
    let fixture = Fixture::new().await;
    begin_with(&fixture.db, 1).await.commit().await.expect("is committed");
    let mut held = begin_with(&fixture.db, 2).await;
    let process = pid(&mut held).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    fixture.outside.query::<()>(kill, params![]).await.expect("all are ended");
    let process_lives: &'static str = format!("pid = {process}").leak();
    while fixture.sessions(process_lives).await > 0 {}
    let lost = held.execute(INSERT, params![3]).await.expect_err("is gone");
    assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
    drop(held);
    // Each of these may be the one that notices; none may be told more than once.
    let mut tx = fixture.db.begin().await.expect("finds another connection");
    assert_ne!(pid(&mut tx).await, process);
    tx.rollback().await.expect("is undone");
    assert_eq!(ids(&fixture.db).await, [1]);
}

#[tokio::test]
async fn a_demoted_server_is_left() {
    let fixture = Fixture::new().await;
    let mut tx = fixture.db.begin().await.expect("begins");
    let before = pid(&mut tx).await;
    tx.execute("SET LOCAL transaction_read_only = on", params![]).await.expect("is set");
    let refused = tx.execute(INSERT, params![1]).await.expect_err("is read-only");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    tx.rollback().await.expect("is undone");
    let mut tx = fixture.db.begin().await.expect("begins");
    assert_ne!(pid(&mut tx).await, before, "the old connection was used again");
    tx.rollback().await.expect("is undone");
}

#[tokio::test]
async fn what_is_not_used_is_closed_but_for_the_least() {
    let options = DatabaseOptions {
        pool_min_idle: 1,
        idle_timeout: SHORT,
        lanes: 1,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let held = [begin_with(&fixture.db, 1).await, begin_with(&fixture.db, 2).await];
    for tx in held {
        tx.commit().await.expect("is committed");
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while fixture.sessions("query = 'COMMIT'").await > 1 {
        assert!(Instant::now() < deadline, "two are still open");
    }
}

#[tokio::test]
async fn what_has_lived_long_is_replaced() {
    let options =
        DatabaseOptions { max_lifetime: SHORT, pool_max: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let mut seen = std::collections::BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    while seen.len() < 3 {
        assert!(Instant::now() < deadline, "the connection is never replaced");
        let mut tx = fixture.db.begin().await.expect("begins");
        seen.insert(pid(&mut tx).await);
        tx.commit().await.expect("is committed");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_says_why_at_once() {
    let fixture = Fixture::new().await;
    let server = &fixture.url;
    let refused = |url: String| async move {
        let url = url.parse().expect("an address");
        let error = mainstay_store::Database::open(&url, &DatabaseOptions::default()).await;
        error.expect_err("cannot be opened").to_string()
    };
    let error = refused(at(server, "no_such_database")).await;
    assert!(error.contains("no such database"), "{error}");
    let error = refused("postgres://u:secret@127.0.0.1:1/app".to_owned()).await;
    assert!(error.contains("nobody listens there") && !error.contains("secret"), "{error}");
    let error = refused("postgres://u:secret@no-such-host.invalid/app".to_owned()).await;
    assert!(error.contains("cannot be resolved") && !error.contains("secret"), "{error}");
    let error = refused(format!("{}sslmode=require", at(server, "postgres"))).await;
    assert!(error.contains("TLS"), "{error}");
}

#[tokio::test]
async fn health_is_about_the_server_and_not_about_the_load() {
    let options = DatabaseOptions { pool_max: 1, lanes: 1, lane_depth: 1, ..Default::default() };
    let fixture = Fixture::with(options).await;
    let _held = fixture.db.begin().await.expect("begins");
    let db = fixture.db.clone();
    let slow = tokio::spawn(async move { db.query::<()>("SELECT pg_sleep(60)", params![]).await });
    tokio::task::yield_now().await;
    assert_eq!(fixture.db.check().await, Health::Ready);
    slow.abort();
    let url = fixture.url.clone();
    let other = open(&url, DatabaseOptions::default()).await;
    other.close().await;
    assert!(matches!(other.check().await, Health::Unready(_)));
}

#[tokio::test]
async fn waits_holds_and_refusals_are_counted() {
    let options =
        DatabaseOptions { pool_max: 1, acquire_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let figures = || match fixture.db.figures() {
        DatabaseFigures::Postgres(figures) => figures,
        DatabaseFigures::Sqlite(_) => panic!("it is a server"),
    };
    let count = |distribution: &Distribution| distribution.counts.iter().sum::<u64>();
    let before = figures();
    let tx = begin_with(&fixture.db, 1).await;
    assert_eq!(figures().connections.pool_open - figures().connections.pool_idle, 1);
    fixture.db.begin().await.expect_err("the only connection is taken");
    tx.commit().await.expect("is committed");
    let after = figures();
    assert_eq!(after.refused, before.refused + 1);
    assert_eq!(count(&after.waits), count(&before.waits) + 2, "in vain or not");
    assert_eq!(count(&after.holds), count(&before.holds) + 1);
    assert!(after.waits.sum >= before.waits.sum + SHORT);
}
