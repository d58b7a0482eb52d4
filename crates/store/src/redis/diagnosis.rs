//! What `doctor` asks a Redis.

use std::time::{Duration, Instant};

use redis::InfoDict;

use super::{Redis, RedisFailure, connection::Connection};

/// What a server says about itself.
#[derive(Clone, Debug)]
pub struct RedisDiagnosis {
    /// `redis` or `valkey`.
    pub server: &'static str,
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// How long a question and its answer take.
    pub round_trip: Duration,
    /// `maxmemory`, in bytes; zero is no limit.
    pub memory_max: u64,
    /// In use now, in bytes.
    pub memory_used: u64,
    /// What it does when that is full: `noeviction` refuses writes, the others drop keys.
    pub memory_policy: String,
    /// Whether it follows another server, and so takes no writes.
    pub is_replica: bool,
    /// Whether what is said on the way can be read there: neither TLS nor this machine.
    pub is_exposed: bool,
}

pub(super) async fn examine(redis: &Redis) -> Result<RedisDiagnosis, RedisFailure> {
    let mut connection = redis.connect().await?;
    let begun = Instant::now();
    connection.ping().await?;
    let round_trip = begun.elapsed();
    let info = information(redis, &mut connection).await?;
    let number = |key: &str| info.get::<u64>(key).unwrap_or_default();
    let word = |key: &str| info.get::<String>(key);
    let valkey = word("valkey_version");
    Ok(RedisDiagnosis {
        server: if valkey.is_some() { "valkey" } else { "redis" },
        version: valkey.or_else(|| word("redis_version")).unwrap_or_default(),
        round_trip,
        memory_max: number("maxmemory"),
        memory_used: number("used_memory"),
        memory_policy: word("maxmemory_policy").unwrap_or_default(),
        is_replica: word("role").is_some_and(|role| role != "master"),
        is_exposed: !redis.url().is_encrypted && !redis.url().is_local(),
    })
}

/// Of a cluster, the first primary's: they are configured alike, or should be.
async fn information(redis: &Redis, connection: &mut Connection) -> Result<InfoDict, RedisFailure> {
    let cmd = redis::cmd("INFO");
    match connection {
        Connection::Single(connection) => Ok(cmd.query_async(connection).await?),
        Connection::Cluster(_) => {
            let primaries = redis.primaries().await?;
            let first = primaries.first().ok_or(RedisFailure::Down)?;
            let timeout = redis.options().connect_timeout;
            let ignore = std::sync::Arc::new(|_| {});
            let mut connection = first.connect_alone(timeout, ignore).await?;
            Ok(cmd.query_async(&mut connection).await?)
        }
    }
}

/// The failure and what is behind it, in one line.
pub(super) fn explain(failure: &RedisFailure) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
    }
}
