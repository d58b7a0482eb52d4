//! The tracker: hears of every notice, and proves that it does.
//!
//! It has a connection of its own to each primary, on which notices are pushed as they change, and
//! asks a question on it three times within the bound. What comes on a connection comes in order:
//! an answer proves that each notice before the question has been dealt with, and for the length of
//! the bound after the question was sent that is proof enough.
//!
//! After the connection was lost, or an answer took longer than the bound, Redis may have been away
//! for everybody, and a writer may owe a notice. Then nothing is proved until all have had the time
//! to come back and to pay.
//!
//! It runs on a thread of its own: a process that is busy needs its caches most.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection, from_redis_value_ref};
use tokio::sync::oneshot;

use super::{Bounds, handle::Core, scripts};
use crate::redis::{Link, PushReceiver, Redis, RedisFailure};

/// Longest wait for an answer, after which another connection is made.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Pauses between attempts to connect: much shorter than what everybody waits after an outage.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a cluster is asked whether its primaries are the same.
const TOPOLOGY_EVERY: Duration = Duration::from_secs(1);

/// Starts it. It ends when `end` does.
pub(super) fn start(
    redis: Redis,
    link: Link,
    bounds: Bounds,
    core: Arc<Core>,
    end: oneshot::Receiver<()>,
) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else {
            tracing::error!("no invalidation can be heard: the caches stay unused");
            return;
        };
        runtime.block_on(async {
            tokio::select! {
                _ = end => {}
                () = track(&redis, bounds, &core) => {}
                () = work(&link, &core) => {}
            }
        });
    };
    let started = std::thread::Builder::new().name("mainstay-cache".to_owned()).spawn(run);
    if let Err(error) = started {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "no invalidation can be heard: the caches stay unused");
    }
}

/// Follows the primaries, and follows them again after each loss.
async fn track(redis: &Redis, bounds: Bounds, core: &Arc<Core>) {
    loop {
        let Err(failure) = follow(redis, bounds, core).await;
        core.distrust();
        let error = &failure as &dyn std::error::Error;
        tracing::debug!(error, "invalidations cannot be heard");
        tokio::time::sleep(PAUSE.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
    }
}

async fn follow(
    redis: &Redis,
    bounds: Bounds,
    core: &Arc<Core>,
) -> Result<Infallible, RedisFailure> {
    let mut primaries = connect(redis, core).await?;
    // Whatever it is now, it was learnt from another connection.
    core.forget_all();
    let topology = topology(&mut primaries[0]).await?;
    let mut topology_asked = Instant::now();
    let mut trusted_from = Instant::now() + bounds.settle;
    let mut is_trusted = false;
    loop {
        let sent = Instant::now();
        within(try_join_all(primaries.iter_mut().map(is_primary))).await?;
        let now = Instant::now();
        if now - sent > bounds.staleness {
            trusted_from = now + bounds.settle;
            is_trusted = false;
            core.distrust();
        } else {
            core.silence.heard(sent);
        }
        // The epoch is learnt by a script: where none can be run, no write could be told.
        if now >= trusted_from && core.epoch().is_some() {
            if !is_trusted {
                core.fences.raise_all();
                is_trusted = true;
            }
            core.proof.extend(sent + bounds.staleness);
        }
        if topology.is_some() && now - topology_asked >= TOPOLOGY_EVERY {
            topology_asked = now;
            if self::topology(&mut primaries[0]).await? != topology {
                return Err(RedisFailure::Down);
            }
        }
        tokio::time::sleep_until((sent + bounds.staleness / 3).into()).await;
    }
}

async fn connect(
    redis: &Redis,
    core: &Arc<Core>,
) -> Result<Vec<MultiplexedConnection>, RedisFailure> {
    let timeout = redis.options().connect_timeout;
    let mut connections = Vec::new();
    for primary in redis.primaries().await? {
        let mut connection = primary.connect_alone(timeout, receiver(core)).await?;
        let mut cmd = redis::cmd("CLIENT");
        cmd.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(&core.notices);
        within(async { Ok(cmd.query_async::<()>(&mut connection).await?) }).await?;
        connections.push(connection);
    }
    if connections.is_empty() { Err(RedisFailure::Down) } else { Ok(connections) }
}

/// Called on this thread, in the order in which the server speaks, before a later answer is.
fn receiver(core: &Arc<Core>) -> PushReceiver {
    let core = core.clone();
    Arc::new(move |PushInfo { kind, data }| match kind {
        PushKind::Disconnection => core.distrust(),
        PushKind::Invalidate => match data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    match from_redis_value_ref::<String>(key) {
                        Ok(key) => core.notice(&key),
                        Err(_) => core.forget_all(),
                    }
                }
            }
            // Everything was deleted.
            _ => core.forget_all(),
        },
        _ => {}
    })
}

/// The question: a server that has become a replica hears of writes late, and is left.
async fn is_primary(connection: &mut MultiplexedConnection) -> Result<(), RedisFailure> {
    let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    let role = role.first().and_then(|word| from_redis_value_ref::<String>(word).ok());
    if role.as_deref() == Some("master") { Ok(()) } else { Err(RedisFailure::Down) }
}

/// Who has which part of a cluster; `None` of a server that is none.
async fn topology(connection: &mut MultiplexedConnection) -> Result<Option<Value>, RedisFailure> {
    within(async {
        let mut cmd = redis::cmd("CLUSTER");
        match cmd.arg("SLOTS").query_async::<Value>(connection).await.map_err(RedisFailure::from) {
            Ok(slots) => Ok(Some(slots)),
            Err(RedisFailure::Refused(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    })
    .await
}

async fn within<T>(
    question: impl Future<Output = Result<T, RedisFailure>>,
) -> Result<T, RedisFailure> {
    tokio::time::timeout(ANSWER_MAX, question).await.unwrap_or(Err(RedisFailure::TimedOut))
}

/// Learns the epoch and pays debts, whenever there is a need and Redis answers.
async fn work(link: &Link, core: &Core) {
    loop {
        let is_done = link.ready(ANSWER_MAX).await && {
            // First the debts: a new epoch is not learnt before it is begun.
            let is_paid = pay(link, core).await;
            let is_known = learn(link, core).await;
            is_paid && is_known
        };
        if is_done {
            core.work.notified().await;
        } else {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// The pause after an attempt that failed although Redis seemed to answer. Taste.
const RETRY: Duration = Duration::from_millis(20);

async fn pay(link: &Link, core: &Core) -> bool {
    let Some(bill) = core.debts.take() else { return true };
    let prefix = core.notices.strip_suffix("n:").unwrap_or_default();
    let told = if bill.is_everything {
        scripts::begin_epoch(link, &core.notices).await
    } else {
        let names: Vec<_> = bill.names.iter().collect();
        scripts::publish(link, &core.notices, prefix, &names, "").await
    };
    match told {
        // What was closed is open, and who waits goes on.
        Ok(()) => drop(bill),
        Err(_) => core.debts.restore(bill),
    }
    told.is_ok()
}

async fn learn(link: &Link, core: &Core) -> bool {
    if core.epoch().is_some() {
        return true;
    }
    let before = core.forgotten.load(Ordering::Acquire);
    let Ok(epoch) = scripts::know_epoch(link, &core.notices).await else { return false };
    core.set_epoch(Some(epoch.into()));
    // Of a change that was pushed meanwhile nobody knows whether it came before the answer.
    let is_certain = core.forgotten.load(Ordering::Acquire) == before;
    if !is_certain {
        core.set_epoch(None);
    }
    is_certain
}

impl Core {
    /// Nothing is proved any more.
    fn distrust(&self) {
        if self.proof.revoke() {
            self.lapses.fetch_add(1, Ordering::Relaxed);
        }
        // Entries are out of use already; a fill that is under way must not come back later.
        self.fences.raise_all();
    }
}
