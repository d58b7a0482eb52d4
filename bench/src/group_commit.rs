//! Durable inserts per second at 64 clients: group commit against one transaction per insert.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use mainstay_store::{Database, DatabaseOptions, DatabaseUrl, params};

const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
const DURATION: Duration = Duration::from_secs(2);

const SCHEMA: &str = "CREATE TABLE entries (id bigint PRIMARY KEY, body text NOT NULL)";
const INSERT: &str = "INSERT INTO entries (id, body) VALUES ($1, $2)";
const BODY: &str = "about as long as a user of the reference service is, that is eighty characters";

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut lines = vec![
        "| round | rusqlite, one transaction each | store, batches of 1 | store, group commit \
         | ratio to rusqlite |"
            .to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for round in 0..ROUNDS {
        let path = |name: &str| folder.join(format!("{name}-{round}.db"));
        let plain = plain(&path("plain"))?;
        let single = runtime.block_on(store(&path("single"), 1))?;
        let group = runtime.block_on(store(&path("group"), 256))?;
        let ratio = group / plain;
        lines.push(format!(
            "| {round} | {plain:.0}/s | {single:.0}/s | {group:.0}/s | {ratio:.1} |"
        ));
    }
    Ok(lines.join("\n"))
}

/// The usual way: 64 threads share a connection, every insert commits durably by itself.
fn plain(path: &Path) -> Result<f64> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute(SCHEMA, [])?;
    let connection = Arc::new(Mutex::new(connection));
    let start = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let connection = connection.clone();
        std::thread::spawn(move || {
            let mut done = 0_i64;
            while start.elapsed() < DURATION {
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let id = client as i64 * 1_000_000_000 + done;
                let inserted = connection
                    .prepare_cached(INSERT)
                    .and_then(|mut insert| insert.execute(rusqlite::params![id, BODY]));
                if inserted.is_err() {
                    return done;
                }
                done += 1;
            }
            done
        })
    });
    let clients: Vec<_> = clients.collect();
    let done: i64 = clients.into_iter().filter_map(|client| client.join().ok()).sum();
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

async fn store(path: &Path, batch_max: usize) -> Result<f64> {
    let url: DatabaseUrl = format!("sqlite:{}", path.display()).parse()?;
    let options = DatabaseOptions { batch_max, ..DatabaseOptions::default() };
    let database = Database::open(&url, &options).await?;
    database.execute(SCHEMA, params![]).await?;
    let start = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let database = database.clone();
        tokio::spawn(async move {
            let mut done = 0_i64;
            while start.elapsed() < DURATION {
                let id = client as i64 * 1_000_000_000 + done;
                if database.execute(INSERT, params![id, BODY]).await.is_err() {
                    return done;
                }
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for client in clients.collect::<Vec<_>>() {
        done += client.await?;
    }
    let rate = done as f64 / start.elapsed().as_secs_f64();
    database.close().await;
    Ok(rate)
}
