//! More callers at once than there are connections: they are told in time, and when they vanish no
//! connection is lost.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use mainstay_store::{Database, DatabaseOptions, StoreError, Transaction, params};
use tokio::task::JoinSet;

use super::fixture::Fixture;

const CALLERS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_of_five_connections_begin_or_are_told_in_time() {
    let options = DatabaseOptions { pool_max: 5, ..DatabaseOptions::default() };
    let wait_max = options.acquire_timeout.mul_f64(1.1);
    let fixture = Fixture::with(options).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let db = fixture.db.clone();
        callers.spawn(async move {
            let begun = Instant::now();
            let tx = db.begin().await;
            let waited = begun.elapsed();
            let mut tx = match tx {
                Ok(tx) => tx,
                Err(error) => return (waited, Err(error)),
            };
            tx.query::<()>("SELECT pg_sleep(0.2)", params![]).await.expect("is only slow");
            tx.commit().await.expect("is committed");
            (waited, Ok(()))
        });
    }
    let mut served = 0;
    for (waited, result) in callers.join_all().await {
        assert!(waited < wait_max, "{waited:?}: {result:?}");
        match result {
            Ok(()) => served += 1,
            Err(refused) => assert!(matches!(refused, StoreError::Overloaded(_)), "{refused:?}"),
        }
    }
    // Five at a time, 200 ms each, for two seconds: fifty, and fewer on a machine that is busy.
    assert!((10..=60).contains(&served), "{served}");
}

const CONNECTIONS: usize = 20;
const CLIENTS: usize = 64;
const MINUTE: &str = "SELECT pg_sleep(60)";

/// As many transactions as there are connections, at once, and the sessions they are in.
async fn full_width(db: &Database) -> (Vec<Transaction>, BTreeSet<i64>) {
    let (mut open, mut sessions) = (Vec::new(), BTreeSet::new());
    for _ in 0..CONNECTIONS {
        let mut tx = db.begin().await.expect("a connection for each");
        let (session,) = tx.query_one("SELECT pg_backend_pid()", params![]).await.expect("is read");
        sessions.insert(session);
        open.push(tx);
    }
    (open, sessions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_busy_clients_that_vanish_at_once_cost_no_connection() {
    let minute = Duration::from_mins(1);
    let options = DatabaseOptions {
        pool_max: CONNECTIONS,
        pool_min_idle: CONNECTIONS,
        statement_timeout: 2 * minute,
        transaction_timeout: 2 * minute,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    let (open, before) = full_width(&fixture.db).await;
    assert_eq!(before.len(), CONNECTIONS);
    drop(open);
    for _ in 0..3 {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let db = fixture.db.clone();
            clients.spawn(async move {
                // Whichever way it ends, nobody is there any more.
                if client % 2 == 0 {
                    let Ok(mut tx) = db.begin().await else { return };
                    drop(tx.execute("INSERT INTO notes VALUES (1, 'half')", params![]).await);
                    drop(tx.query::<()>(MINUTE, params![]).await);
                } else {
                    drop(db.query::<()>(MINUTE, params![]).await);
                }
            });
        }
        let busy = "state <> 'idle'";
        let begun = Instant::now();
        while fixture.sessions(busy).await < CONNECTIONS as i64 {
            assert!(begun.elapsed() < Duration::from_secs(10), "they do not get busy");
        }
        drop(clients);
        let begun = Instant::now();
        let (open, after) = full_width(&fixture.db).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(after, before, "the connections are the same");
        for tx in open {
            tx.commit().await.expect("is committed");
        }
        let begun = Instant::now();
        while fixture.sessions(busy).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "the server is still at it");
        }
        assert_eq!(crate::fixture::ids(&fixture.db).await, [0; 0], "nothing is half done");
    }
}
