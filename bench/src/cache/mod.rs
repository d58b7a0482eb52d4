//! A read through a cache: from memory beside the engines that hold entries, from Redis and loaded
//! beside the usual `GET`, load, `SET`.

mod memory;
mod shared;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use mainstay::core::SystemClock;
use mainstay_store::{Caches, CachesOptions, Redis, RedisOptions};
use mainstay_test_databases::{Memory, PrivateRedis};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 5;

pub(crate) fn measure(_folder: &Path) -> Result<String> {
    let server = PrivateRedis::start(Memory::Lost)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let memory = memory::measure(&runtime, &server)?;
    let shared = shared::measure(&runtime, &server)?;
    Ok(format!("{memory}\n\n{shared}"))
}

/// Caches that share the server, once they trust it.
fn caches(runtime: &Runtime, server: &PrivateRedis) -> Result<Caches> {
    let redis = Redis::new(server.url().parse()?, RedisOptions::default());
    let settle = Some(Duration::from_millis(100));
    // A hit costs the same whatever the bound; a machine that is busy loses no proof meanwhile.
    let staleness = Duration::from_secs(5);
    let options = CachesOptions { settle, staleness, ..CachesOptions::default() };
    runtime.block_on(async {
        let caches = Caches::shared(&redis, Arc::new(SystemClock::new()), options);
        let begun = Instant::now();
        while !caches.state().is_trusted {
            ensure!(begun.elapsed() < Duration::from_secs(10), "redis is not heard");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(caches)
    })
}

/// The values of all rounds, smallest first, as `median (smallest-largest)`.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values[0], values[values.len() - 1]);
    format!("{:.0} ({first:.0}-{last:.0})", values[values.len() / 2])
}
