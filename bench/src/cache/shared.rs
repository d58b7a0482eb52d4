//! What it costs to read from Redis, and to load for all, beside a plain cache-aside.

use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use mainstay_store::{Cache, CacheSpec};
use mainstay_test_databases::PrivateRedis;
use redis::{AsyncCommands, Client, aio::MultiplexedConnection};
use tokio::runtime::Runtime;

use super::{ROUNDS, caches, spread};

const READS: usize = 20_000;
/// Callers at a time.
const CALLERS: [usize; 2] = [1, 64];

type Reading = Pin<Box<dyn Future<Output = Result<bool>> + Send>>;
/// Reads a key; whether it has found it.
type Read = Arc<dyn Fn(usize) -> Reading + Send + Sync>;

pub(super) fn measure(runtime: &Runtime, server: &PrivateRedis) -> Result<String> {
    let plain = runtime.block_on(async {
        let client = Client::open(server.url())?;
        Ok::<_, anyhow::Error>(client.get_multiplexed_async_connection().await?)
    })?;
    // Too small to keep anything: each read asks Redis.
    let spec = CacheSpec { weight_max: 1, ..CacheSpec::new("texts") };
    let cache: Cache<String> = caches(runtime, server)?.two_tier(spec);
    let ways: Vec<(&str, Read, bool)> = vec![
        ("`GET`, a hit", by_hand(plain.clone(), 16), false),
        ("Cache, a hit in Redis", ours(cache.clone(), 16), false),
        ("`GET`, load, `SET`", by_hand(plain, usize::MAX), true),
        ("Cache, loaded for all", ours(cache, usize::MAX), true),
    ];
    let mut found = vec![[Vec::new(), Vec::new()]; ways.len()];
    let mut fresh = 1_000;
    for _ in 0..ROUNDS {
        for ((_, read, is_load), found) in ways.iter().zip(&mut found) {
            for (callers, found) in CALLERS.into_iter().zip(found) {
                let reads = if callers == 1 { READS / 10 } else { READS };
                // Keys that nobody has asked for are loaded; a few are there after their first
                // read.
                let first = if *is_load { fresh } else { 0 };
                fresh += if *is_load { reads } else { 0 };
                found.push(runtime.block_on(microseconds(read.clone(), first, reads, callers))?);
            }
        }
    }
    let mut lines = vec![
        "| through Redis | us each, one caller | us for each, 64 callers |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for ((name, ..), [one, many]) in ways.iter().zip(found) {
        lines.push(format!("| {name} | {} | {} |", spread(one), spread(many)));
    }
    Ok(lines.join("\n"))
}

/// The time of all reads over their number.
async fn microseconds(read: Read, first: usize, reads: usize, callers: usize) -> Result<f64> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let read = read.clone();
            tokio::spawn(async move {
                let mut key = first + caller;
                while key < first + reads {
                    ensure!(read(key).await?, "a value was not found");
                    key += callers;
                }
                Ok(())
            })
        })
        .collect();
    for caller in callers {
        caller.await.context("a reader panicked")??;
    }
    Ok(begun.elapsed().as_micros() as f64 / reads as f64)
}

fn text() -> String {
    "a text that is about as long as a user of the reference service is, in JSON".to_owned()
}

/// Reads one of so many keys as it is usually done.
fn by_hand(connection: MultiplexedConnection, keys: usize) -> Read {
    Arc::new(move |key| {
        let mut connection = connection.clone();
        Box::pin(async move {
            let key = format!("text:{}", key % keys);
            let found: Option<Vec<u8>> = connection.get(&key).await?;
            if let Some(bytes) = found {
                return Ok(!serde_json::from_slice::<String>(&bytes)?.is_empty());
            }
            let text = text();
            connection.set_ex::<_, _, ()>(&key, serde_json::to_vec(&text)?, 60).await?;
            Ok(true)
        })
    })
}

fn ours(cache: Cache<String>, keys: usize) -> Read {
    Arc::new(move |key| {
        let cache = cache.clone();
        Box::pin(async move {
            let key = (key % keys).to_string();
            let found = cache.get_or_load(&key, || async { Ok(Some(text())) }).await?;
            Ok(found.is_some())
        })
    })
}
