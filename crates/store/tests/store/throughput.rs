//! Figures for people who run this with `--no-capture`; nothing is asserted about time.

use std::time::Instant;

use mainstay_store::DatabaseOptions;

use crate::fixture::{Fixture, add};

async fn inserts_per_second(clients: i64, batch_max: usize) -> f64 {
    const WRITES: i64 = 4000;
    let options = DatabaseOptions { batch_max, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let begun = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let db = fixture.db.clone();
            tokio::spawn(async move {
                for n in 0..WRITES / clients {
                    add(&db, client * WRITES + n).await.expect("the id is new");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no write failed");
    }
    WRITES as f64 / begun.elapsed().as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durable_inserts_with_and_without_group_commit() {
    for (clients, batch_max) in [(1, 256), (64, 1), (64, 256)] {
        let rate = inserts_per_second(clients, batch_max).await;
        println!("{clients:3} clients, at most {batch_max:3} in a commit: {rate:8.0} inserts/s");
    }
}
