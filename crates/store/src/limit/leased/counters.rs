//! How decisions were come by, as plain counters.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// How a [`SharedLimiter`](super::SharedLimiter) came by its decisions, since it was made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct LimiterCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> LimiterCounts {
                LimiterCounts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Decisions by a lease or a remembered refusal, without asking: admitted.
    leased
    /// See `leased`: refused.
    remembered
    /// Decisions for which Redis was asked, or somebody else's question was waited for.
    asked
    /// Decisions without Redis, by the outage mode.
    alone
    /// Questions sent to Redis.
    questions
    /// Questions without an answer.
    failures
    /// Units handed back from leases that had ended.
    refunded
    /// Steps forward of the clock of Redis.
    clock_steps
}

/// Counts up.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }
}
