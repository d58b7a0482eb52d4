//! The limiter that processes share: windows in Redis, spent by leases.
//!
//! At most `quota` units are admitted in *any* interval of the window's length, by all processes
//! together. The proof, in one paragraph: take the last charge that paid for a unit admitted in
//! such an interval, at the time τ of Redis. Every other unit of the interval was charged to a
//! sub-bucket that ended, or will end, after it was admitted, so later than τ minus the window. So
//! the script, which drops a sub-bucket only when its end is a window ago, counted it at τ; and it
//! granted no more than was left.

mod clock;
mod counters;
mod decide;
mod keys;
mod lease;
mod script;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use mainstay_core::{CHARGES_MAX, Charge, Clock, Limiter, Secret, Verdict};

pub use self::counters::LimiterCounts;
use self::{clock::Watch, counters::Counters, keys::Keys, lease::Account, script::Counting};
use super::table::Table;
use crate::redis::{Link, Purpose, Redis};

/// How a [`SharedLimiter`] works.
#[derive(Clone, Debug)]
pub struct SharedLimiterOptions {
    /// Keys remembered at once, over all policies: at some 250 bytes each.
    pub max_keys: usize,
    /// Processes that share the limits. Each takes such a part of a quota as its own while Redis is
    /// out of reach.
    pub processes: u32,
    /// Keys are hashed with it before they leave the process. The same in all processes.
    pub secret: Secret<String>,
}

/// Counts in Redis, by leases.
///
/// A decision with a lease or a remembered refusal at hand takes no round trip, and allocates
/// nothing. While Redis is out of reach, or its clock has stepped, each policy's
/// [`OutageMode`](mainstay_core::OutageMode) decides; with `Local`, two quotas less one share are
/// the most that a window which begins before and ends after can hold, and one quota any other.
///
/// When its memory is full of keys that still count, unseen keys are asked for one by one, without
/// a lease; while Redis is out of reach they share one window for each policy and shard.
pub struct SharedLimiter {
    clock: Arc<dyn Clock>,
    table: Table<Account>,
    link: Link,
    counting: Counting,
    keys: Keys,
    watch: Option<Watch>,
    processes: u32,
    counters: Counters,
}

impl SharedLimiter {
    /// Counts in `redis`, which may be away. Needs a runtime.
    pub fn new(redis: &Redis, clock: Arc<dyn Clock>, options: &SharedLimiterOptions) -> Self {
        Self {
            clock,
            table: Table::new(options.max_keys),
            link: redis.link(Purpose::Limits),
            counting: Counting::new(options.processes),
            keys: Keys::new(options.secret.reveal().as_bytes(), &redis.options().namespace),
            // The nodes of a cluster have clocks of their own.
            watch: (!redis.is_cluster()).then(Watch::default),
            processes: options.processes.max(1),
            counters: Counters::default(),
        }
    }

    /// Waits for a connection to Redis, so long at most. Tells whether there is one.
    pub async fn ready(&self, at_most: Duration) -> bool {
        self.link.ready(at_most).await
    }

    /// How decisions were come by.
    pub fn counts(&self) -> LimiterCounts {
        self.counters.read()
    }

    /// How many keys are remembered now.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Limiter for SharedLimiter {
    fn decide<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a> {
        self.decide_now_or_later(&charges[..charges.len().min(CHARGES_MAX)])
    }
}

impl fmt::Debug for SharedLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLimiter")
            .field("keys", &self.len())
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
