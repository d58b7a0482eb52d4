//! `Proof`: until when it is certain that every invalidation has arrived.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A moment, which invalidations push on and every read asks for. Never moved by a test's clock: a
/// process that was stopped must not believe that no time has passed.
pub(super) struct Proof {
    base: Instant,
    /// Nanoseconds since `base`; zero when nothing is proved.
    until: AtomicU64,
}

impl Proof {
    pub(super) fn new() -> Self {
        Self { base: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Has to be asked before an entry is looked at: what is proved later says nothing about an
    /// entry that was seen before.
    pub(super) fn holds(&self) -> bool {
        (self.base.elapsed().as_nanos() as u64) < self.until.load(Ordering::Acquire)
    }

    /// Says that what was invalidated before `until` less the bound has been dealt with.
    pub(super) fn extend(&self, until: Instant) {
        let nanos = until.saturating_duration_since(self.base).as_nanos() as u64;
        self.until.store(nanos, Ordering::Release);
    }

    /// Tells whether there was one.
    pub(super) fn revoke(&self) -> bool {
        self.until.swap(0, Ordering::AcqRel) != 0
    }
}

/// How long nobody has had a proof, as far as one process can tell from its own.
pub(super) struct Silence {
    base: Instant,
    /// When this process last sent a question that was answered in time.
    heard: AtomicU64,
}

impl Silence {
    pub(super) fn new() -> Self {
        Self { base: Instant::now(), heard: AtomicU64::new(0) }
    }

    pub(super) fn heard(&self, sent: Instant) {
        let nanos = sent.saturating_duration_since(self.base).as_nanos() as u64;
        self.heard.store(nanos, Ordering::Release);
    }

    /// The time since the last question that was answered.
    pub(super) fn length(&self) -> Duration {
        let heard = Duration::from_nanos(self.heard.load(Ordering::Acquire));
        self.base.elapsed().saturating_sub(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_until_its_moment_or_until_it_is_revoked() {
        let proof = Proof::new();
        assert!(!proof.holds(), "nothing is proved at first");
        proof.extend(Instant::now() + Duration::from_mins(1));
        assert!(proof.holds());
        assert!(proof.revoke() && !proof.revoke());
        assert!(!proof.holds());
        proof.extend(Instant::now());
        assert!(!proof.holds(), "the moment has passed");
    }
}
