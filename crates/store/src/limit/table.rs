//! What is known of each key under each policy: in shards, and with bounded memory.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;
use indexmap::IndexMap;
use mainstay_core::Charge;

/// Shards: with two requests in flight on each of 16 cores, two seldom meet.
const SHARDS_MAX: usize = 64;

/// Entries looked at for each new key. Any number above 1 outruns the arrivals; 4 finds room soon
/// after a burst and costs some 20 ns.
const SWEPT_PER_INSERT: usize = 4;

/// What is kept of one key.
pub(super) trait Entry {
    /// Whether nothing would be lost with it.
    fn is_spent(&mut self, now: Duration) -> bool;
}

/// A policy by its fingerprint, a key as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) policy: u64,
    /// Two halves: a `u128` would be aligned to 16 bytes and waste eight in every entry.
    key: [u64; 2],
}

/// Entries by identity.
pub(super) struct Table<E> {
    /// Random for each process: nobody outside can choose keys that meet in one shard. The
    /// standard library's hasher would take as long as the rest of the decision.
    random: RandomState,
    shards: Box<[Mutex<Shard<E>>]>,
}

/// The entries of some keys, under one lock.
pub(super) struct Shard<E> {
    entries: IndexMap<Identity, E, RandomState>,
    keys_max: usize,
    /// Where the next sweep goes on.
    cursor: usize,
    /// For keys that found no room, by policy.
    overflow: HashMap<u64, E>,
}

impl<E: Entry> Table<E> {
    /// Room for `keys_max` keys, and at least one.
    pub(super) fn new(keys_max: usize) -> Self {
        let shards = SHARDS_MAX.min(keys_max.max(1));
        let keys_max = (keys_max / shards).max(1);
        Self {
            random: RandomState::default(),
            shards: (0..shards).map(|_| Mutex::new(Shard::new(keys_max))).collect(),
        }
    }

    /// How many keys are remembered now.
    pub(super) fn len(&self) -> usize {
        (0..self.shards.len()).map(|place| self.lock(place).entries.len()).sum()
    }

    /// Who is charged, and in which shard.
    pub(super) fn find(&self, charge: &Charge<'_>) -> (Identity, usize) {
        let Charge { policy, key, .. } = charge;
        let policy = self.random.hash_one((&policy.name, policy.quota, policy.window));
        let identity = Identity { policy, key: [(key >> 64) as u64, *key as u64] };
        (identity, self.random.hash_one(identity) as usize % self.shards.len())
    }

    /// Nothing under the lock panics, so a poisoned shard is still whole.
    pub(super) fn lock(&self, place: usize) -> MutexGuard<'_, Shard<E>> {
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Entry> Shard<E> {
    fn new(keys_max: usize) -> Self {
        let entries = IndexMap::default();
        Self { entries, keys_max, cursor: 0, overflow: HashMap::new() }
    }

    pub(super) fn known(&mut self, identity: &Identity) -> Option<&mut E> {
        self.entries.get_mut(identity)
    }

    /// Whether another key may be remembered, after some that no longer count are dropped.
    pub(super) fn has_room(&mut self, now: Duration) -> bool {
        self.sweep(now);
        self.entries.len() < self.keys_max
    }

    /// Remembers a key for which there [is room](Self::has_room).
    pub(super) fn insert(&mut self, identity: Identity, entry: E) -> &mut E {
        self.entries.entry(identity).or_insert(entry)
    }

    /// What is known of a key, or what is known of a new one for which there [is
    /// room](Self::has_room).
    pub(super) fn known_or(&mut self, identity: Identity, new: impl FnOnce() -> E) -> &mut E {
        self.entries.entry(identity).or_insert_with(new)
    }

    /// What the keys that found no room share.
    pub(super) fn overflow(&self, policy: u64) -> Option<&E> {
        self.overflow.get(&policy)
    }

    /// The same, to be charged.
    pub(super) fn overflow_or(&mut self, policy: u64, new: impl FnOnce() -> E) -> &mut E {
        self.overflow.entry(policy).or_insert_with(new)
    }

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
