//! Figures for people who run this with `--no-capture`; nothing is asserted about time.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::{future::Future, time::Instant};

use mainstay_store::{Database, DatabaseOptions, params};

use super::fixture::{Fixture, add};

/// Operations of one measurement, spread over its clients.
const OPERATIONS: i64 = 2000;

/// Runs `operation` with numbers that never repeat, and returns how many a second.
async fn per_second<F: Future<Output = ()> + Send + 'static>(
    options: DatabaseOptions,
    clients: i64,
    operation: fn(Database, i64) -> F,
) -> f64 {
    let fixture = Fixture::with(options).await;
    let begun = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                for n in 0..OPERATIONS / clients {
                    operation(db.clone(), client * OPERATIONS + n).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no operation failed");
    }
    OPERATIONS as f64 / begun.elapsed().as_secs_f64()
}

async fn insert(db: Database, id: i64) {
    add(&db, id).await.expect("the id is new");
}

async fn insert_and_count(db: Database, id: i64) {
    let mut tx = db.begin().await.expect("the writer comes free");
    let insert = "INSERT INTO notes (id, body) VALUES ($1, 'text')";
    tx.execute(insert, params![id]).await.expect("the id is new");
    let found = "SELECT body FROM notes WHERE id = $1";
    tx.query_one::<(String,)>(found, params![id]).await.expect("is there");
    tx.commit().await.expect("is committed");
}

async fn read(db: Database, id: i64) {
    let found = "SELECT id, body FROM notes WHERE id = $1";
    db.query_optional::<(i64, String)>(found, params![id]).await.expect("is read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_commit_against_one_commit_each() {
    for (clients, batch_max) in [(1, 256), (64, 1), (64, 256)] {
        let options = || DatabaseOptions { batch_max, ..DatabaseOptions::default() };
        let inserts = per_second(options(), clients, insert).await;
        let transactions = per_second(options(), clients, insert_and_count).await;
        println!(
            "{clients:2} clients, at most {batch_max:3} in a commit: \
             {inserts:6.0} inserts/s, {transactions:6.0} transactions/s"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn point_reads() {
    for clients in [1, 64] {
        let rate = per_second(DatabaseOptions::default(), clients, read).await;
        println!("{clients:2} clients: {rate:6.0} reads/s");
    }
}
