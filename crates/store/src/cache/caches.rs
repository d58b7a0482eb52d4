//! `Caches`: what the caches of a process have in common.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mainstay_core::Clock;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Cache, CacheSpec, CacheStats,
    fences::Fences,
    load::Codec,
    shared::{Bounds, Shared},
    stats::Counters,
};
use crate::redis::Redis;

/// What holds for all caches of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachesOptions {
    /// How long another process may serve what was there before an acknowledged write, at most.
    /// Three questions in each are asked of Redis. 30 ms to 10 s, and longer than Redis ever
    /// pauses: a pause of that length empties the caches. Default 100 ms.
    pub staleness: Duration,
    /// How long a process does without caches after it has lost sight of Redis, and after its
    /// start: whoever wrote in an outage needs that time to come back and tell. Default: the time
    /// that a connection may take to be made and 1.5 s, which is the longest pause between two
    /// attempts and time to pay; 2.5 s in all. Shorter only where nobody writes in an outage.
    pub settle: Option<Duration>,
    /// How long a write may take from its beginning to the end of its commit: longer than the
    /// longest transaction. For so long the names of a write whose end is not known stay unused.
    /// Default 10 s, twice the default `transaction_timeout`.
    pub write_max: Duration,
}

/// What is waited after an outage beside the time of a connection: a second is the longest pause
/// between two attempts, and half of one is many times what it takes to tell what was written.
const SETTLE_BESIDE: Duration = Duration::from_millis(1500);

impl Default for CachesOptions {
    fn default() -> Self {
        Self {
            staleness: Duration::from_millis(100),
            settle: None,
            write_max: Duration::from_secs(10),
        }
    }
}

/// How the caches of a process stand to the others'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CachesState {
    /// Invalidations are certain to arrive. Otherwise a value is served for the
    /// bound, and read again then.
    pub is_trusted: bool,
    /// Invalidations that arrived from Redis.
    pub notices: u64,
    /// How often that certainty was lost.
    pub lapses: u64,
    /// Since when nothing was heard of Redis: how late an invalidation may be, at most, while it is
    /// less than the bound. Zero without Redis.
    pub silence: Duration,
    /// Writes that other processes have not been told of yet.
    pub debts: usize,
}

/// Makes caches. One for each process; clones share it.
#[derive(Clone)]
pub struct Caches(Arc<Inner>);

pub(super) struct Inner {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) fences: Arc<Fences>,
    pub(super) shared: Option<Shared>,
    pub(super) bounds: CachesOptions,
    /// By name. A service makes its caches at the start and keeps them.
    counters: Mutex<BTreeMap<&'static str, Arc<Counters>>>,
}

impl Caches {
    /// Caches of a process that is on its own: what it writes itself is invalidated exactly, and
    /// what others write at the end of each `ttl`, and after a second at the latest
    /// and whatever a cache adds to that.
    pub fn alone(clock: Arc<dyn Clock>) -> Self {
        Self::with(None, clock, CachesOptions::default())
    }

    /// Caches of processes that share a Redis. Needs a runtime, and keeps a thread.
    pub fn shared(redis: &Redis, clock: Arc<dyn Clock>, options: CachesOptions) -> Self {
        Self::with(Some(redis), clock, options)
    }

    fn with(redis: Option<&Redis>, clock: Arc<dyn Clock>, options: CachesOptions) -> Self {
        let fences = Arc::new(Fences::new());
        let CachesOptions { staleness, settle, write_max } = options;
        let shared = redis.map(|redis| {
            let usual = redis.options().connect_timeout + SETTLE_BESIDE;
            let bounds = Bounds { staleness, settle: settle.unwrap_or(usual), write_max };
            Shared::new(redis, bounds, fences.clone())
        });
        let counters = Mutex::default();
        Self(Arc::new(Inner { clock, fences, shared, bounds: options, counters }))
    }

    /// A cache whose values stay in the memory of each process: those that nobody else may see.
    /// What one process writes, all forget.
    pub fn in_process<V: Send + Sync + 'static>(&self, spec: CacheSpec<V>) -> Cache<V> {
        Cache::new(self.0.clone(), spec, None)
    }

    /// A cache whose values are shared through Redis as JSON, and kept in the memory of each
    /// process beside: one process loads for all. A value that is too large stays in the process.
    pub fn two_tier<V>(&self, spec: CacheSpec<V>) -> Cache<V>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let codec = Codec::json(spec.version);
        Cache::new(self.0.clone(), spec, Some(codec))
    }

    /// How they stand to those of other processes.
    pub fn state(&self) -> CachesState {
        let is_trusted = self.0.is_trusted();
        let Some(shared) = &self.0.shared else {
            return CachesState { is_trusted, ..CachesState::default() };
        };
        let (notices, lapses) = shared.counts();
        let (silence, debts) = (shared.silence(), shared.debts());
        CachesState { is_trusted, notices, lapses, silence, debts }
    }

    /// What each of them has done so far, by name. Caches of one name count together.
    pub fn stats(&self) -> Vec<(&'static str, CacheStats)> {
        let counters = self.0.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|(name, counters)| (*name, counters.read())).collect()
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    /// Where the cache of this name counts.
    pub(super) fn count(&self, name: &'static str) -> Arc<Counters> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.entry(name).or_default().clone()
    }

    /// Whether an entry that is seen from now on has missed no invalidation older than the bound.
    pub(super) fn is_trusted(&self) -> bool {
        self.shared.as_ref().is_none_or(Shared::is_trusted)
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caches").field(&self.state()).finish()
    }
}
