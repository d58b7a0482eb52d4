//! The limiter of one process: rings by policy and key, in shards, with bounded memory.

use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;
use indexmap::IndexMap;
use mainstay_core::{Clock, Decision, Limiter, Policy, Verdict};

use super::ring::{Grid, Ring};

/// Shards: with two requests in flight on each of 16 cores, two seldom meet.
const SHARDS_MAX: usize = 64;

/// Entries looked at for each new key. Any number above 1 outruns the arrivals; 4 finds room soon
/// after a burst and costs some 20 ns.
const SWEPT_PER_INSERT: usize = 4;

/// Bounds of a [`LocalLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalLimiterOptions {
    /// Keys remembered at once, over all policies. 100,000: at some 150 bytes each they take 15 MB,
    /// a share of the memory a service may use under load. A key that is busy in every sub-bucket
    /// of its window takes 700 bytes.
    pub max_keys: usize,
}

impl Default for LocalLimiterOptions {
    fn default() -> Self {
        Self { max_keys: 100_000 }
    }
}

/// Counts in this process, exactly: at most `quota` units in any interval of the window's length.
///
/// When its memory is full of keys that still count, unseen keys share one ring for each policy and
/// shard. They may be refused early; no key ever gets more than its quota.
pub struct LocalLimiter {
    clock: Arc<dyn Clock>,
    /// Random for each process: nobody outside can choose keys that meet in one shard. The
    /// standard library's hasher would take as long as the rest of the decision.
    random: RandomState,
    shards: Box<[Mutex<Shard>]>,
    keys_per_shard: usize,
}

/// A policy by its fingerprint, a key as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    policy: u64,
    /// Two halves: a `u128` would be aligned to 16 bytes and waste eight in every entry.
    key: [u64; 2],
}

struct Entry {
    ring: Ring,
    grid: Grid,
}

#[derive(Default)]
struct Shard {
    entries: IndexMap<Identity, Entry, RandomState>,
    /// Where the next sweep goes on.
    cursor: usize,
    /// For keys that found no room, by policy.
    overflow: HashMap<u64, Entry>,
}

impl LocalLimiter {
    /// A limiter of the default size.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_options(clock, LocalLimiterOptions::default())
    }

    /// A limiter that remembers at most `max_keys` keys, and at least one.
    pub fn with_options(clock: Arc<dyn Clock>, options: LocalLimiterOptions) -> Self {
        let shards = SHARDS_MAX.min(options.max_keys.max(1));
        Self {
            clock,
            random: RandomState::default(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            keys_per_shard: (options.max_keys / shards).max(1),
        }
    }

    /// How many keys are remembered now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn decide_now(&self, policy: &Policy, key: u128, cost: u32) -> Decision {
        let fingerprint = self.random.hash_one((&policy.name, policy.quota, policy.window));
        let identity = Identity { policy: fingerprint, key: [(key >> 64) as u64, key as u64] };
        let grid = Grid::new(policy.window);
        let place = self.random.hash_one(identity) as usize % self.shards.len();
        let mut shard = lock(&self.shards[place]);
        // Read under the lock: the shard's time never goes backwards.
        let now = self.clock.monotonic();
        if let Some(entry) = shard.entries.get_mut(&identity) {
            return entry.ring.decide(grid, grid.moment(now), policy.quota, cost);
        }
        let request = Request { identity, grid, quota: policy.quota, cost, now };
        shard.decide_unseen(&request, self.keys_per_shard)
    }
}

/// Nothing under the lock panics, so a poisoned shard is still whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Request {
    identity: Identity,
    grid: Grid,
    quota: u32,
    cost: u32,
    now: Duration,
}

impl Request {
    fn decide(&self, ring: &mut Ring) -> Decision {
        ring.decide(self.grid, self.grid.moment(self.now), self.quota, self.cost)
    }
}

impl Shard {
    fn decide_unseen(&mut self, request: &Request, keys_max: usize) -> Decision {
        self.sweep(request.now);
        if self.entries.len() >= keys_max {
            return self.decide_in_overflow(request);
        }
        // The key may have been counted in the overflow before there was room: as nobody knows,
        // all of it is taken to be this key's.
        let overflow = self.overflow.get(&request.identity.policy);
        let mut ring = overflow.map(|entry| entry.ring.clone()).unwrap_or_default();
        let decision = request.decide(&mut ring);
        if decision.admitted && request.cost > 0 {
            self.entries.insert(request.identity, Entry { ring, grid: request.grid });
        }
        decision
    }

    fn decide_in_overflow(&mut self, request: &Request) -> Decision {
        let new = || Entry { ring: Ring::default(), grid: request.grid };
        let entry = self.overflow.entry(request.identity.policy).or_insert_with(new);
        request.decide(&mut entry.ring)
    }

    /// Drops some keys that no longer count.
    fn sweep(&mut self, now: Duration) {
        for _ in 0..SWEPT_PER_INSERT.min(self.entries.len()) {
            if self.cursor >= self.entries.len() {
                self.cursor = 0;
                self.overflow.retain(|_, entry| !entry.is_spent(now));
            }
            if self.entries[self.cursor].is_spent(now) {
                // The last entry takes the place and is looked at next.
                self.entries.swap_remove_index(self.cursor);
                if self.entries.is_empty() {
                    return;
                }
            } else {
                self.cursor += 1;
            }
        }
    }
}

impl Entry {
    fn is_spent(&mut self, now: Duration) -> bool {
        self.ring.is_spent(self.grid.moment(now))
    }
}

impl Limiter for LocalLimiter {
    fn decide<'a>(&'a self, policy: &'a Policy, key: u128, cost: u32) -> Verdict<'a> {
        Verdict::Now(self.decide_now(policy, key, cost))
    }
}

impl fmt::Debug for LocalLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLimiter").field("keys", &self.len()).finish_non_exhaustive()
    }
}
