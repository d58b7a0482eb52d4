//! `Sample`: some of the requests about which there is nothing to say.

use std::sync::atomic::{AtomicU64, Ordering};

use super::has_moved_on;

/// How often one is taken, in milliseconds: eight a second. Taste: a minute of them shows what is
/// usual, and with 2 KiB each a share of 2 MiB lasts for two.
const EVERY: u64 = 125;

/// How late a thread may be that has read the clock: a minute of turns.
const DELAY_MAX: u64 = 60_000 / EVERY;

/// Takes the first request of each turn, so that a burst has no more of them than its time.
#[derive(Debug, Default)]
pub(super) struct Sample(AtomicU64);

impl Sample {
    /// Whether a request that ends now is taken.
    pub(super) fn takes(&self, milliseconds: u64) -> bool {
        let turn = milliseconds / EVERY;
        let last = self.0.load(Ordering::Relaxed);
        has_moved_on(turn, last, DELAY_MAX)
            && self.0.compare_exchange(last, turn, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
