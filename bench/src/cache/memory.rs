//! What a hit in memory costs, one after the other on each thread.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mainstay::core::{Clock, SystemClock, Timestamp};
use mainstay_store::{Cache, CacheSpec, Caches};
use mainstay_test_databases::PrivateRedis;
use tokio::runtime::Runtime;

use super::{ROUNDS, caches, spread};

const KEYS: usize = 8192;
const READS: usize = 500_000;
/// As long as a user of the reference service is.
const VALUE: [u8; 80] = [7; 80];

type Value = [u8; 80];

/// Reads a key, which is there.
type Read = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// A process that is on its own keeps a value for a second. This clock costs what the machine's
/// does, and a second of it outlasts the measurement.
#[derive(Debug)]
struct Slow(SystemClock);

impl Clock for Slow {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() / 1000
    }
}

pub(super) fn measure(runtime: &Runtime, server: &PrivateRedis) -> Result<String> {
    let keys: Arc<Vec<String>> = Arc::new((0..KEYS).map(|key| format!("user:{key:09}")).collect());
    let alone = Caches::alone(Arc::new(Slow(SystemClock::new())));
    let ways: Vec<(&str, Arc<Read>)> = vec![
        ("moka 0.12, sync, with a time to live", Arc::new(moka(&keys))),
        ("quick_cache 0.7", Arc::new(quick(&keys))),
        ("Cache, one process", Arc::new(ours(runtime, &alone, &keys)?)),
        ("Cache, with Redis", Arc::new(ours(runtime, &caches(runtime, server)?, &keys)?)),
    ];
    let mut found = vec![[Vec::new(), Vec::new()]; ways.len()];
    for _ in 0..ROUNDS {
        for ((_, read), found) in ways.iter().zip(&mut found) {
            for (threads, found) in (1..).zip(found) {
                found.push(nanoseconds(read, &keys, threads)?);
            }
        }
    }
    let mut lines = vec![
        "| hit in memory | ns each, one thread | ns each, two threads |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for ((name, _), [one, two]) in ways.iter().zip(found) {
        lines.push(format!("| {name} | {} | {} |", spread(one), spread(two)));
    }
    Ok(lines.join("\n"))
}

/// The time of a read on so many threads at once.
fn nanoseconds(read: &Arc<Read>, keys: &Arc<Vec<String>>, threads: usize) -> Result<f64> {
    let begun = Instant::now();
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let (read, keys) = (read.clone(), keys.clone());
            std::thread::spawn(move || {
                // A step that is prime to the number of keys: no two reads in a row are neighbours.
                let order = (0..READS).map(|read| (read * 2741 + thread) % KEYS);
                order.filter(|&key| black_box(read(&keys[key]))).count()
            })
        })
        .collect();
    for thread in threads {
        let hits = thread.join().ok().context("a reader panicked")?;
        anyhow::ensure!(hits == READS, "{} reads were no hits", READS - hits);
    }
    Ok(begun.elapsed().as_nanos() as f64 / READS as f64)
}

fn moka(keys: &[String]) -> Read {
    let cache: moka::sync::Cache<String, Arc<Value>> = moka::sync::Cache::builder()
        .max_capacity(8 << 20)
        .weigher(|_: &String, _| 256)
        .time_to_live(std::time::Duration::from_hours(1))
        .build();
    for key in keys {
        cache.insert(key.clone(), Arc::new(VALUE));
    }
    Box::new(move |key| cache.get(key).is_some())
}

fn quick(keys: &[String]) -> Read {
    let cache: quick_cache::sync::Cache<String, Arc<Value>> = quick_cache::sync::Cache::new(32_768);
    for key in keys {
        cache.insert(key.clone(), Arc::new(VALUE));
    }
    Box::new(move |key| cache.get(key).is_some())
}

fn ours(runtime: &Runtime, caches: &Caches, keys: &[String]) -> Result<Read> {
    let spec = CacheSpec { ttl: std::time::Duration::from_hours(1), ..CacheSpec::new("users") };
    let cache: Cache<Value> = caches.in_process(spec);
    let filled = async {
        for key in keys {
            cache.get_or_load(key, || async { Ok(Some(VALUE)) }).await?;
        }
        Ok::<_, mainstay_store::StoreError>(())
    };
    runtime.block_on(filled)?;
    let caches = caches.clone();
    Ok(Box::new(move |key| {
        // The caches live as long as what reads through them.
        let _ = &caches;
        let read = std::pin::pin!(cache.get_or_load(key, || async { Ok(None) }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        matches!(read.poll(&mut context), std::task::Poll::Ready(Ok(Some(_))))
    }))
}
