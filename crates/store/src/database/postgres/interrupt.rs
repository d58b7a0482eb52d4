//! Cancellations of what a shared connection does, and whom they may have hit.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio_postgres::Error;

use super::{cancel::Canceller, failure};

/// How long a cancellation may take to have its effect; one that takes longer may have it at any
/// time. A few round trips.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// How many cancellations have been begun, and how many of them are sure to have had their effect.
#[derive(Default)]
pub(super) struct Interrupts {
    /// Held while one is on its way.
    alone: tokio::sync::Mutex<()>,
    begun: AtomicU64,
    settled: AtomicU64,
}

/// When a statement was sent.
pub(super) struct Sending {
    settled: u64,
    at: Instant,
}

impl Interrupts {
    /// Cancels whatever the connection does when the request arrives.
    pub(super) async fn interrupt(&self, canceller: &Canceller) {
        let _alone = self.alone.lock().await;
        self.begun.fetch_add(1, Ordering::SeqCst);
        if tokio::time::timeout(SETTLE_MAX, canceller.cancel()).await == Ok(true) {
            self.settled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Called before a statement is sent, which is now.
    pub(super) fn sending(&self, now: Instant) -> Sending {
        Sending { settled: self.settled.load(Ordering::SeqCst), at: now }
    }

    /// Whether an error is the effect of a cancellation that was meant for another statement: it
    /// was on its way at the same time, and the time limit cannot be meant.
    pub(super) fn may_have_hit(&self, sending: &Sending, error: &Error, limit: Duration) -> bool {
        failure::is_cancelled(error)
            && self.begun.load(Ordering::SeqCst) > sending.settled
            && sending.at.elapsed() < limit
    }
}
