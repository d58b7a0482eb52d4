//! Decisions of the limiter: in the process, by a lease, and by asking Redis; beside them the
//! weighted counter that other limiters keep in Redis, asked for each request.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use mainstay::core::{Charge, Limiter, OutageMode, Policy, Secret, SystemClock, Verdict};
use mainstay_store::{LocalLimiter, Redis, RedisOptions, SharedLimiter, SharedLimiterOptions};
use mainstay_test_databases::{Memory, PrivateRedis};
use redis::{Script, aio::MultiplexedConnection};

const ROUNDS: u128 = 3;

/// Decisions in a row that need no round trip, and that need one.
const AT_HAND: u128 = 1_000_000;
const ASKED: u128 = 20_000;

/// Callers at once, and how long they call.
const CALLERS: u128 = 64;
const DURATION: Duration = Duration::from_secs(2);

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// `previous · (1 − f) + current`, as limiters in front of Redis usually count: one call for each
/// request, and twice the quota on both sides of a boundary.
const WEIGHTED: &str = "
local previous = tonumber(redis.call('GET', KEYS[2]) or 0)
local current = tonumber(redis.call('GET', KEYS[1]) or 0)
local quota, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if previous * (1 - (now % window) / window) + current >= quota then return -1 end
current = redis.call('INCR', KEYS[1])
if current == 1 then redis.call('PEXPIRE', KEYS[1], window * 2 + 1000) end
return quota - current";

/// Whoever decides about a request of a key.
#[derive(Clone)]
enum Way {
    Ours(Arc<dyn Limiter>),
    Weighted(Script, MultiplexedConnection),
}

impl Way {
    async fn decide(&mut self, policy: &Policy, key: u128) -> Result<()> {
        match self {
            Self::Ours(limiter) => {
                let charge = [Charge { policy, key, cost: 1 }];
                match limiter.decide(&charge) {
                    Verdict::Now(_) => {}
                    Verdict::Later(asking) => {
                        asking.await;
                    }
                }
            }
            Self::Weighted(script, connection) => {
                let (now, window) =
                    (mainstay::core::Clock::now(&SystemClock::new()), policy.window);
                let (now, window) = (now.as_millisecond(), window.as_millis() as i64);
                let name = |number: i64| format!("{{{key}}}:{number}");
                let mut call = script.key(name(now / window));
                call.key(name(now / window - 1)).arg(policy.quota).arg(window).arg(now);
                call.invoke_async::<i64>(connection).await?;
            }
        }
        Ok(())
    }
}

pub(crate) fn measure(_: &Path) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(rounds())
}

async fn rounds() -> Result<String> {
    let server = PrivateRedis::start(Memory::Lost)?;
    let heading = "| round | local ns | leased ns | refusal ns | asking us (p99) \
                   | weighted us (p99) | asking/s, 64 callers | weighted/s \
                   | hot key/s, 64 callers | weighted/s |";
    let mut lines = vec![heading.to_owned(), format!("|{}", "---|".repeat(10))];
    for round in 0..ROUNDS {
        let local: Arc<dyn Limiter> = Arc::new(LocalLimiter::new(Arc::new(SystemClock::new())));
        let shared = shared(&server).await?;
        let client = redis::Client::open(server.url())?;
        let connection = client.get_multiplexed_async_connection().await?;
        let weighted = Way::Weighted(Script::new(WEIGHTED), connection);
        let (wide, narrow) = (policy("wide", u32::MAX), policy("narrow", 1));
        let ours = Way::Ours(shared);
        // Each decision about another key has to ask; the keys of a round are new.
        let first = round * 1_000_000_000;
        let at_hand = [(Way::Ours(local), &wide), (ours.clone(), &wide), (ours.clone(), &narrow)];
        let mut cells = vec![round.to_string()];
        for (way, policy) in at_hand {
            cells.push(nanoseconds(in_a_row(way, policy, AT_HAND, |_| first).await?, AT_HAND));
        }
        for way in [&ours, &weighted] {
            let (mean, p99) = each(way.clone(), &wide, |n| first + 1 + n).await?;
            cells.push(format!("{mean:.1} ({p99:.0})"));
        }
        for (hot, from) in [(false, 100_000_000), (true, 900_000_000)] {
            for way in [&ours, &weighted] {
                cells.push(format!("{:.0}", at_once(way, &wide, first + from, hot).await?));
            }
        }
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    Ok(lines.join("\n"))
}

async fn shared(server: &PrivateRedis) -> Result<Arc<dyn Limiter>> {
    let url = server.url().parse().map_err(|error| anyhow!("{error}"))?;
    let options = RedisOptions { command_timeout: PATIENCE, ..RedisOptions::default() };
    let redis = Redis::new(url, options);
    let secret = Secret::new("of the bench".to_owned());
    let options = SharedLimiterOptions { max_keys: 1_000_000, processes: 1, secret };
    let limiter = SharedLimiter::new(&redis, Arc::new(SystemClock::new()), &options);
    limiter.ready(PATIENCE).await;
    Ok(Arc::new(limiter))
}

fn policy(name: &str, quota: u32) -> Policy {
    let window = Duration::from_mins(1);
    Policy { name: name.to_owned(), quota, window, outage: OutageMode::Local }
}

/// One decision after the other.
async fn in_a_row(
    mut way: Way,
    policy: &Policy,
    decisions: u128,
    key: impl Fn(u128) -> u128,
) -> Result<Duration> {
    way.decide(policy, key(0)).await?;
    let begun = Instant::now();
    for n in 0..decisions {
        way.decide(policy, key(n)).await?;
    }
    Ok(begun.elapsed())
}

/// The mean and the 99th percentile of decisions that are asked for one after the other, in
/// microseconds.
async fn each(mut way: Way, policy: &Policy, key: impl Fn(u128) -> u128) -> Result<(f64, f64)> {
    let mut took = Vec::with_capacity(ASKED as usize);
    for n in 0..ASKED {
        let begun = Instant::now();
        way.decide(policy, key(n)).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(f64::total_cmp);
    let mean = took.iter().sum::<f64>() / took.len() as f64;
    Ok((mean, took[took.len() * 99 / 100]))
}

/// Decisions per second of many callers, about one key or about a new one each time.
async fn at_once(way: &Way, policy: &Policy, first: u128, hot: bool) -> Result<f64> {
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (mut way, policy) = (way.clone(), policy.clone());
        callers.spawn(async move {
            let mut done = 0;
            while begun.elapsed() < DURATION {
                let key = if hot { first } else { first + caller * 1_000_000 + done };
                way.decide(&policy, key).await?;
                done += 1;
                if done % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(caller) = callers.join_next().await {
        done += caller??;
    }
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

fn nanoseconds(took: Duration, decisions: u128) -> String {
    (took.as_nanos() / decisions).to_string()
}
