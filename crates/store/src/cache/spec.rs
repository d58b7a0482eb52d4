//! `CacheSpec`: what is decided about one cache.

use std::{fmt, time::Duration};

use super::{Tag, fences::TAGS_MAX};

/// What is decided about one cache. `CacheSpec { ttl: …, ..CacheSpec::new("flags") }`.
pub struct CacheSpec<V> {
    /// Part of every name, so it stays the same for the life of the service: lower case, no colon.
    pub name: &'static str,
    /// The version of the value's form. Count it up when `V` changes: processes of the old and the
    /// new release then share the cache without reading each other's values. Default 1.
    pub version: u32,
    /// How long a value is served after it was read, at most; each entry takes up to a tenth off,
    /// so that what was filled together does not end together. 1 ms or more; default 60 s.
    pub ttl: Duration,
    /// The same for "there is none". Zero does not keep it. Default 5 s: what is not there is made
    /// soon, or asked for by somebody who guesses.
    pub negative_ttl: Duration,
    /// Memory of the values in this process, by the estimate of `weigh`, in bytes. An entry that
    /// takes more than about a hundredth of it is not kept. Default 8 MiB.
    pub weight_max: u64,
    /// What a value takes, in bytes. Default: the size of `V` without what it points to.
    pub weigh: fn(&V) -> u64,
    /// What else invalidates a value, beside the write of its key: seven tags at most. A value with
    /// more is not kept. Default: nothing.
    pub tags: fn(&V) -> Vec<Tag>,
    /// How long after its `ttl` a value is still served while somebody reads it anew. Never after
    /// an invalidation. Default zero.
    pub stale_while_revalidate: Duration,
    /// How long after its `ttl` a value is still served when it cannot be read anew. Never after an
    /// invalidation. Default zero.
    pub stale_if_error: Duration,
    /// How long a caller waits for somebody else's load, at most; and never longer than half of
    /// what is left of its [`Work`](mainstay_core::Work). Then it loads for itself. Default 1 s.
    pub wait_max: Duration,
    /// A larger value is not shared through Redis, in bytes of JSON. Default 64 KiB.
    pub shared_max: usize,
    /// What a write does when Redis cannot be told. Default [`OnOutage::Proceed`].
    pub on_outage: OnOutage,
}

/// What a write does when it cannot tell other processes, because Redis does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnOutage {
    /// It goes on. Where Redis is away for everybody nobody serves anything from a cache, and the
    /// bound holds. Where this process alone is cut off, others may serve the old value until they
    /// can be told, or for the rest of its `ttl` and what was added to it.
    Proceed,
    /// It fails before anything is written: the bound holds whoever is cut off.
    Refuse,
}

impl<V> CacheSpec<V> {
    /// The defaults under a name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            version: 1,
            ttl: Duration::from_mins(1),
            negative_ttl: Duration::from_secs(5),
            weight_max: 8 << 20,
            weigh: |_| size_of::<V>() as u64,
            tags: |_| Vec::new(),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            wait_max: Duration::from_secs(1),
            shared_max: 64 << 10,
            on_outage: OnOutage::Proceed,
        }
    }

    /// How long a value is kept when it has just been read.
    pub(super) fn lifetime(&self, value: Option<&V>) -> Duration {
        let longest = if value.is_some() { self.ttl } else { self.negative_ttl };
        longest.mul_f64(1.0 - fastrand::f64() / 10.0)
    }

    /// The tags of a value; `None` when there are too many to keep it.
    pub(super) fn tags_of(&self, value: Option<&V>) -> Option<Vec<Tag>> {
        let tags = value.map(self.tags).unwrap_or_default();
        (tags.len() <= TAGS_MAX).then_some(tags)
    }
}

impl<V> fmt::Debug for CacheSpec<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheSpec").field("name", &self.name).finish_non_exhaustive()
    }
}
