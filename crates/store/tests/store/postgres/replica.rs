//! Reads that may be old go to a replica, and are never older than they may be.

use std::time::{Duration, Instant};

use mainstay_store::{Database, DatabaseOptions, params};
use mainstay_test_databases::{Durability, Neighbour, PrivatePostgres};

use super::fixture::open;
use crate::fixture::{add, create_notes};

/// A primary, a standby of it, and a database over both.
struct Pair {
    db: Database,
    primary: PrivatePostgres,
    standby: PrivatePostgres,
}

/// Follows the primary within this, unless something is wrong; and what a read here may miss.
const AT_MOST: Duration = Duration::from_secs(1);

impl Pair {
    async fn start() -> Self {
        let primary = PrivatePostgres::start(Durability::Risked).expect("starts");
        let standby = primary.standby().expect("follows");
        let replica = Some(standby.url().parse().expect("an address"));
        let options = DatabaseOptions { replica, ..DatabaseOptions::default() };
        let db = open(&primary.url(), options).await;
        create_notes(&db).await;
        Self { db, primary, standby }
    }

    /// Who answers, and the newest note that it knows.
    async fn read(&self) -> (bool, i64) {
        let read = "SELECT pg_is_in_recovery(), coalesce(max(id), 0) FROM notes";
        let reads = self.db.bounded_staleness(AT_MOST);
        reads.query_one(read, params![]).await.expect("is read")
    }

    async fn until_read_from(&self, standby: bool) {
        let begun = Instant::now();
        while self.read().await.0 != standby {
            assert!(begun.elapsed() < Duration::from_secs(10), "read from the other one");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn standby(&self) -> Neighbour {
        self.standby.neighbour()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_misses_more_than_it_may_whatever_the_replica_does() {
    let pair = Pair::start().await;
    pair.until_read_from(true).await;
    // What was written, and when it was acknowledged, by its number.
    let mut written = vec![Instant::now()];
    let begun = Instant::now();
    let (mut paused, mut answered_by_standby) = (false, 0);
    while begun.elapsed() < Duration::from_secs(6) {
        // It stops following for a second and a half, and catches up for as long.
        let pause = begun.elapsed().as_millis() / 1500 % 2 == 1;
        if pause != paused {
            let what = if pause { "pause" } else { "resume" };
            pair.standby().number(&format!("SELECT count(pg_wal_replay_{what}()::text)"));
            paused = pause;
        }
        add(&pair.db, written.len() as i64).await.expect("is written");
        written.push(Instant::now());
        let asked = Instant::now();
        let (standby, newest) = pair.read().await;
        let missed = written.get(newest as usize + 1).filter(|at| **at + AT_MOST < asked);
        assert!(missed.is_none(), "{newest} is older than it may be, from the standby: {standby}");
        answered_by_standby += u32::from(standby);
    }
    assert!(answered_by_standby > 100, "{answered_by_standby} reads were the standby's");
    pair.db.close().await;
}

#[tokio::test]
async fn a_replica_that_is_away_costs_nothing_and_is_found_again() {
    let pair = Pair::start().await;
    pair.until_read_from(true).await;
    pair.standby.crash().expect("ends");
    for id in 1..50 {
        add(&pair.db, id).await.expect("is written");
        assert_eq!(pair.read().await, (false, id), "the primary answers");
    }
    pair.standby.start_again().expect("starts");
    pair.until_read_from(true).await;
    let begun = Instant::now();
    while pair.standby().number("SELECT count(*) FROM notes") != 49 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not catch up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its own data are only as old as they may be while the primary can be asked.
    pair.primary.crash().expect("ends");
    let read = "SELECT count(*) FROM notes";
    let hour = pair.db.bounded_staleness(Duration::from_hours(1));
    let (count,): (i64,) = hour.query_one(read, params![]).await.expect("old enough");
    assert_eq!(count, 49);
    let begun = Instant::now();
    while pair.db.bounded_staleness(AT_MOST).query::<()>(read, params![]).await.is_ok() {
        assert!(begun.elapsed() < AT_MOST * 2, "nobody knows how old it is");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pair.db.close().await;
}

#[tokio::test]
async fn a_table_that_the_replica_does_not_know_yet_is_the_primarys_to_read() {
    let pair = Pair::start().await;
    pair.until_read_from(true).await;
    pair.standby().number("SELECT count(pg_wal_replay_pause()::text)");
    pair.primary.neighbour().run("CREATE TABLE newest AS SELECT 7 AS number");
    let hour = pair.db.bounded_staleness(Duration::from_hours(1));
    let (known,): (bool,) =
        hour.query_one("SELECT pg_is_in_recovery()", params![]).await.expect("is read");
    assert!(known, "the standby may be asked");
    let read = hour.query_one("SELECT number FROM newest", params![]).await;
    let (number,): (i64,) = read.expect("the primary knows it");
    assert_eq!(number, 7);
    pair.db.close().await;
}

#[tokio::test]
async fn a_replica_that_follows_nobody_is_not_asked() {
    let [primary, other] =
        [(); 2].map(|()| PrivatePostgres::start(Durability::Risked).expect("starts"));
    other.neighbour().run("CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL)");
    let replica = Some(other.url().parse().expect("an address"));
    let db = open(&primary.url(), DatabaseOptions { replica, ..Default::default() }).await;
    create_notes(&db).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        add(&db, 1).await.ok();
        let (count,): (i64,) = db
            .bounded_staleness(Duration::from_hours(1))
            .query_one("SELECT count(*) FROM notes", params![])
            .await
            .expect("is read");
        assert_eq!(count, 1, "somebody else's");
    }
    db.close().await;
}

#[tokio::test]
async fn a_replica_of_another_kind_is_refused_at_the_start() {
    let primary =
        mainstay_test_databases::TestDatabase::on(mainstay_test_databases::Engine::Postgres);
    let replica = Some("sqlite:x.db".parse().expect("an address"));
    let options = DatabaseOptions { replica, ..DatabaseOptions::default() };
    let url = primary.url().parse().expect("an address");
    let error = Database::open(&url, &options).await.expect_err("is refused").to_string();
    assert!(error.contains("DATABASE_REPLICA_URL"), "{error}");
}
