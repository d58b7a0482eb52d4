//! `Near`: the values in this process's memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::quality::RandomState;
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::fences::{Fences, Stamp};

/// What an entry takes beside its key and its value: places in tables, counters. An estimate.
const OVERHEAD: u64 = 160;

/// What is expected of a value, to size the tables.
const ENTRY_BYTES: u64 = 512;

/// A bounded map from keys to values that were read. Which entry goes first is the engine's
/// business; whether one may be served is decided here.
pub(super) struct Near<V> {
    entries: Cache<Box<str>, Entry<V>, Weigh, RandomState>,
    /// How long an entry is of use after the end of its life.
    afterlife: Duration,
}

/// A value, or that there is none.
pub(super) type Known<V> = Option<Arc<V>>;

struct Entry<V> {
    value: Known<V>,
    stamp: Stamp,
    life: Life,
    weight: u64,
}

/// From when until when a value may be served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Before the value was read. Never by a test's clock, as a [`Proof`](super::shared) is not.
    pub(super) began: Instant,
    pub(super) fresh_until: Duration,
    /// Every later invalidation arrives. Otherwise it is of use for the bound and no longer.
    pub(super) is_proved: bool,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// What is known of a key here.
pub(super) enum Found<V> {
    Fresh(Known<V>),
    /// Read so long ago, after the end of its life.
    Stale(Known<V>, Stamp, Duration),
    Nothing,
}

#[derive(Clone)]
struct Weigh;

impl<V> Weighter<Box<str>, Entry<V>> for Weigh {
    fn weight(&self, key: &Box<str>, entry: &Entry<V>) -> u64 {
        entry.weight + key.len() as u64
    }
}

impl<V> Near<V> {
    pub(super) fn new(weight_max: u64, afterlife: Duration) -> Self {
        let expected = (weight_max / ENTRY_BYTES).max(64) as usize;
        let (random, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self { entries: Cache::with(expected, weight_max, Weigh, random, lifecycle), afterlife }
    }

    pub(super) fn find(&self, key: &str, fences: &Fences, now: Duration) -> Found<V> {
        let Some(entry) = self.entries.get(key) else { return Found::Nothing };
        if !fences.is_legal(&entry.stamp) {
            self.forget(key, &entry);
            return Found::Nothing;
        }
        match now.checked_sub(entry.life.fresh_until) {
            _ if !entry.life.is_proved => Found::Nothing,
            None => Found::Fresh(entry.value),
            Some(late) if late < self.afterlife => Found::Stale(entry.value, entry.stamp, late),
            Some(_) => {
                self.forget(key, &entry);
                Found::Nothing
            }
        }
    }

    /// What was read less than `within` ago and not written in this process since, and its age.
    pub(super) fn find_recent(
        &self,
        key: &str,
        fences: &Fences,
        now: Duration,
        within: Duration,
    ) -> Option<(Known<V>, Duration)> {
        let entry = self.entries.get(key)?;
        let age = entry.life.began.elapsed();
        let is_recent = now < entry.life.fresh_until && age < within;
        (is_recent && fences.is_legal(&entry.stamp)).then_some((entry.value, age))
    }

    /// Removes an entry that is of no use any more, unless it has been replaced.
    fn forget(&self, key: &str, entry: &Entry<V>) {
        let is_it = |found: &Entry<V>| found.life == entry.life;
        self.entries.remove_if(key, is_it);
    }

    /// Keeps what was read. Whether it is legal is asked when it is found.
    pub(super) fn keep(&self, key: &str, value: Known<V>, stamp: Stamp, life: Life, weight: u64) {
        let weight = weight.saturating_add(OVERHEAD);
        self.entries.insert(key.into(), Entry { value, stamp, life, weight });
    }

    /// The weight of everything, in bytes.
    pub(super) fn weight(&self) -> u64 {
        self.entries.weight()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
