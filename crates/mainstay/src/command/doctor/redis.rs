//! What processes share: whether it answers, and whether it keeps what it is given.

use std::time::Duration;

use mainstay_store::RedisDiagnosis;

use super::finding::Finding;
use crate::{
    app::{self, Application},
    config::Framework,
};

const CHECK: &str = "redis";

/// What caches and limits are tested on. Valkey counts on from there.
const MAJOR_MIN: u32 = 7;

/// The share of its memory from which a server has no room for a burst. Taste.
const MEMORY_WARNING: f64 = 0.8;

pub(super) async fn examine<A: Application>(framework: &Framework) -> Vec<Finding> {
    let redis = match app::redis_options::<A>(framework) {
        Ok(Some(redis)) => redis,
        Ok(None) => return alone(framework).into_iter().collect(),
        Err(failure) => return vec![Finding::failed(CHECK, &failure)],
    };
    match redis.diagnose().await {
        Ok(diagnosis) => findings(&diagnosis, framework.redis.command_timeout),
        Err(why) => vec![Finding::error(
            CHECK,
            "redis does not answer",
            why,
            "check REDIS_URL and the server; until then every process is on its own",
        )],
    }
}

/// Several processes that share nothing multiply every limit.
pub(super) fn alone(framework: &Framework) -> Option<Finding> {
    let replicas = framework.fleet.replicas;
    (replicas > 1).then(|| {
        Finding::warning(
            CHECK,
            format!("{replicas} replicas share nothing"),
            "each counts limits for itself, and caches what another has changed",
            "set REDIS_URL",
        )
    })
}

pub(super) fn findings(diagnosis: &RedisDiagnosis, command_timeout: Duration) -> Vec<Finding> {
    let RedisDiagnosis { server, version, round_trip, .. } = diagnosis;
    let what = format!("{server} {version} answers in {:.1} ms", round_trip.as_secs_f64() * 1000.0);
    let mut findings = vec![Finding::ok(CHECK, what)];
    let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < MAJOR_MIN {
        findings.push(Finding::error(
            CHECK,
            format!("{server} {version} is too old"),
            "caches and limits ask for what came with version 7",
            "use Redis 7 or later, or Valkey",
        ));
    }
    if *round_trip * 5 > command_timeout {
        findings.push(Finding::warning(
            CHECK,
            format!("an answer takes {round_trip:.1?}, of {command_timeout:?} allowed"),
            "under load answers will be late, and processes on their own",
            "bring it nearer, or raise redis.command_timeout_ms",
        ));
    }
    if diagnosis.is_replica {
        findings.push(Finding::error(
            CHECK,
            "the server follows another one and takes no writes",
            "REDIS_URL leads to a replica",
            "name the primary, or sentinels that know it: `redis+sentinel://HOST,HOST/NAME`",
        ));
    }
    if diagnosis.is_exposed {
        findings.push(Finding::warning(
            CHECK,
            "the connection to redis is not encrypted",
            "whoever is on the way reads the password and what is cached",
            "use `rediss://`, and give the server a certificate",
        ));
    }
    findings.extend(memory(diagnosis));
    findings
}

/// A server that drops keys drops counts of limits, too.
fn memory(diagnosis: &RedisDiagnosis) -> Vec<Finding> {
    let RedisDiagnosis { memory_max, memory_used, memory_policy, .. } = diagnosis;
    if *memory_max == 0 {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if memory_policy != "noeviction" {
        findings.push(Finding::warning(
            CHECK,
            format!("maxmemory-policy is `{memory_policy}`"),
            "when its memory is full it drops keys, and with them what was counted against limits",
            "set it to `noeviction`",
        ));
    }
    if *memory_used as f64 > *memory_max as f64 * MEMORY_WARNING {
        findings.push(Finding::warning(
            CHECK,
            format!("{} of {} MiB are in use", memory_used >> 20, memory_max >> 20),
            "when its memory is full it refuses writes, and processes are on their own",
            "raise maxmemory",
        ));
    }
    findings
}
