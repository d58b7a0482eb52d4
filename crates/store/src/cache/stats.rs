//! What a cache has done so far, counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$text:meta])* $name:ident,)*) => {
        /// What a cache has done since it was made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CacheStats {
            $($(#[$text])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> CacheStats {
                CacheStats { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Answered from this process's memory, "there is none" included.
    hits,
    /// Answered from Redis.
    shared_hits,
    /// Of both, how many said "there is none".
    negative_hits,
    /// Answered after the `ttl`, because a cache may.
    stale,
    /// Loads that were begun.
    loads,
    /// Loads that failed.
    failures,
    /// Callers that waited for a load of somebody else, in this process or another.
    waits,
    /// Callers that waited too long, and loaded for themselves.
    waits_in_vain,
    /// Reads that the cache had no part in: within a unit of work, or without a proof that
    /// invalidations arrive.
    bypasses,
    /// Values that were read and not kept, because they were written meanwhile or are too large.
    refusals,
}

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
