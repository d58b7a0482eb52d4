//! Callers that vanish at any moment leave nothing behind, and hit nobody else.

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use mainstay_store::{Database, DatabaseOptions, StoreError, params};
use tokio::sync::Mutex;

use super::fixture::Fixture;

/// Futures dropped; the promise is for 10,000 and more.
const DROPS: usize = 12_000;
const WORKERS: usize = 32;
const CONNECTIONS: usize = 8;

/// A small generator of its own, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Runs `future` for at most this long, or this many polls, and drops it.
async fn dropped<F: Future>(dice: &mut Dice, future: F) -> Option<F::Output> {
    if dice.below(2) == 0 {
        let patience = Duration::from_micros(dice.below(3000));
        return tokio::time::timeout(patience, future).await.ok();
    }
    let mut left = dice.below(12);
    let mut future = pin!(future);
    std::future::poll_fn(|context| match (left, future.as_mut().poll(context)) {
        (_, Poll::Ready(output)) => Poll::Ready(Some(output)),
        (0, Poll::Pending) => Poll::Ready(None),
        (_, Poll::Pending) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// What every borrower must find: no transaction of somebody else, and nobody else's cancellation.
async fn borrow(db: &Database, worker: usize) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    let sql = "SELECT pg_current_xact_id_if_assigned() IS NULL, \
               now() > clock_timestamp() - interval '900 ms', \
               coalesce(current_setting('store.mark', true), '')";
    let (clean, young, mark): (bool, bool, String) = tx.query_one(sql, params![]).await?;
    assert!(clean && young && mark.is_empty(), "somebody else's transaction: {mark}");
    let sql = "SELECT set_config('store.mark', $1, true)";
    tx.query::<()>(sql, params![format!("worker {worker}")]).await?;
    let insert = "INSERT INTO notes (id, body) SELECT coalesce(max(id), 0) + 1, $1 FROM notes \
                  ON CONFLICT DO NOTHING";
    tx.execute(insert, params!["half"]).await?;
    if worker.is_multiple_of(4) {
        tx.query::<()>("SELECT pg_sleep(0.002)", params![]).await?;
    }
    tx.execute("DELETE FROM notes WHERE body = 'half'", params![]).await?;
    tx.commit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_vanish_leave_no_poisoned_connection_and_cancel_nobody() {
    let options = DatabaseOptions {
        pool_max: CONNECTIONS,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(30),
        transaction_timeout: Duration::from_secs(30),
        transaction_idle_timeout: Duration::from_secs(30),
        ..DatabaseOptions::default()
    };
    let Some(fixture) = Fixture::with(options).await else { return };
    let trouble: Arc<Mutex<Vec<String>>> = Arc::default();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (db, trouble) = (fixture.db.clone(), trouble.clone());
            tokio::spawn(async move {
                let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (worker as u64 + 1));
                let (mut gone, mut done) = (0, 0);
                while gone < DROPS / WORKERS {
                    let lane = dice.below(4) == 0;
                    let result = if lane {
                        let sql = "SELECT count(*) FROM notes, pg_sleep(0.0005)";
                        dropped(&mut dice, db.query::<(i64,)>(sql, params![]))
                            .await
                            .map(|r| r.map(drop))
                    } else {
                        dropped(&mut dice, borrow(&db, worker)).await
                    };
                    match result {
                        None => gone += 1,
                        Some(Ok(())) => done += 1,
                        Some(Err(error)) => {
                            trouble.lock().await.push(format!("{error:?}"));
                            gone += 1;
                        }
                    }
                }
                (gone, done)
            })
        })
        .collect();
    let (mut gone, mut done) = (0, 0);
    for worker in workers {
        let counts: (usize, usize) = worker.await.expect("no borrower found anything");
        (gone, done) = (gone + counts.0, done + counts.1);
    }
    let trouble = std::mem::take(&mut *trouble.lock().await);
    assert!(trouble.is_empty(), "{} errors, such as {:?}", trouble.len(), trouble.first());
    assert!(gone >= DROPS - WORKERS && done > 100, "{gone} dropped, {done} done");
    // The pool is whole: as many transactions as it has connections at once.
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        all.push(fixture.db.begin().await.expect("a connection for each"));
    }
    for tx in all {
        tx.commit().await.expect("is committed");
    }
    assert_eq!(fixture.sessions("state LIKE 'idle in transaction%'").await, 0);
    assert!(fixture.sessions("true").await <= (CONNECTIONS + 2) as i64);
    fixture.finish().await;
}
