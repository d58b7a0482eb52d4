//! What a process knows of one key: its lease, a refusal it remembers, what it has admitted itself.

use std::{sync::Arc, time::Duration};

use mainstay_core::{OutageMode, Outcome, Policy, Standing};
use tokio::sync::Semaphore;

use super::script::{Question, Reply};
use crate::limit::{
    ring::{Grid, Ring},
    table,
};

/// How soon Redis is asked again when it was out of reach, and what a client is told to wait then.
const OUTAGE_RETRY: Duration = Duration::from_secs(1);

/// Answers in a row that come after their leases have ended, which makes Redis too slow for a
/// window. One happens on a busy machine.
const LATE_MAX: u32 = 3;

/// What a client that has nothing left for the moment is told to wait, when more may be had by
/// asking.
const SOON: Duration = Duration::from_millis(1);

/// Until when those who wait for somebody else's question wait: it is closed with the answer.
pub(super) type Asking = Arc<Semaphore>;

/// A key under a policy, as one process sees it.
///
/// *Lease*: `credits` have been charged in Redis to `bucket`, and are spent without asking until
/// that ends. What is left of them goes back with the next question. *Refusal*: nothing is released
/// before `refused_until`, unless other processes hand units back, so until then the answer is
/// known. *Own window*: `ring` has every unit admitted here, for the time when Redis cannot be
/// asked, and for telling a Redis that has lost its memory; `alone` of them Redis has not been
/// told.
///
/// One question at a time is under way. Times are this process's monotonic clock.
#[derive(Clone)]
pub(super) struct Account {
    grid: Grid,
    ring: Ring,
    alone: u32,
    credits: u32,
    bucket: i64,
    spend_until: Duration,
    /// Units left to everybody when Redis was asked last.
    left: u32,
    born: u64,
    refused_until: Duration,
    waiting: u32,
    arrived: Arrivals,
    asking: Option<Asking>,
    /// Answers in a row that took longer than a sub-bucket, and until when Redis is not asked for
    /// it.
    late: u32,
    slow_until: Duration,
}

/// Units asked for here in this sub-bucket and the one before.
#[derive(Clone, Copy, Default)]
struct Arrivals {
    tick: u32,
    now: u32,
    before: u32,
}

/// What an account says without asking.
pub(super) enum Word {
    /// The units are there.
    Yes,
    /// They are not, and will not be for this long.
    No(Duration),
    /// Redis is not worth asking.
    Alone,
    /// Redis has to be asked.
    Unknown,
}

impl Account {
    pub(super) fn new(grid: Grid) -> Self {
        Self {
            grid,
            ring: Ring::default(),
            alone: 0,
            credits: 0,
            bucket: 0,
            spend_until: Duration::ZERO,
            left: 0,
            born: 0,
            refused_until: Duration::ZERO,
            waiting: 0,
            arrived: Arrivals::default(),
            asking: None,
            late: 0,
            slow_until: Duration::ZERO,
        }
    }

    /// Notes that a request came.
    pub(super) fn arrive(&mut self, now: Duration, cost: u32) {
        let tick = self.grid.moment(now).tick();
        match tick.wrapping_sub(self.arrived.tick) {
            0 => {}
            1 => self.arrived = Arrivals { tick, now: 0, before: self.arrived.now },
            _ => self.arrived = Arrivals { tick, now: 0, before: 0 },
        }
        self.arrived.now = self.arrived.now.saturating_add(cost);
    }

    /// Whether `cost` units may be taken.
    pub(super) fn word(&self, now: Duration, cost: u32) -> Word {
        match self.refused_until.checked_sub(now) {
            _ if self.has_credits(now, cost) && cost > 0 => Word::Yes,
            Some(wait) if !wait.is_zero() && cost > self.left => Word::No(wait),
            _ if now < self.slow_until => Word::Alone,
            _ => Word::Unknown,
        }
    }

    fn has_credits(&self, now: Duration, cost: u32) -> bool {
        self.credits >= cost && now < self.spend_until
    }

    /// Takes units that [are there](Word::Yes).
    pub(super) fn take(&mut self, now: Duration, cost: u32) {
        self.credits -= cost;
        self.ring.charge(self.grid.moment(now), cost);
    }

    /// How the key stands when its units are there. What is left in Redis is told by an answer that
    /// has just come; a moment later others may have it, and only credits are promised, unless
    /// there are no others.
    pub(super) fn standing(&self, now: Duration, is_exact: bool) -> Standing {
        let left = if is_exact { self.left } else { 0 };
        let remaining = self.credits.saturating_add(left);
        let reset_after = match remaining {
            0 => self.spend_until.max(self.refused_until).saturating_sub(now).max(SOON),
            _ => Duration::ZERO,
        };
        let outcome = Outcome::Admitted;
        Standing { outcome, remaining, reset_after, retry_after: Duration::ZERO }
    }

    /// How it stands when they are [not](Word::No).
    pub(super) fn refusal(&self, wait: Duration) -> Standing {
        let remaining = self.left;
        let reset_after = if remaining == 0 { wait } else { Duration::ZERO };
        Standing { outcome: Outcome::Refused, remaining, reset_after, retry_after: wait }
    }

    /// Begins a question, unless one is under way.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        quota: u32,
        need: u32,
    ) -> Result<Question, Asking> {
        if let Some(asking) = &self.asking {
            let asking = Arc::clone(asking);
            self.waiting = self.waiting.saturating_add(need);
            return Err(asking);
        }
        self.asking = Some(Arc::new(Semaphore::new(0)));
        let waiting = std::mem::take(&mut self.waiting).max(need);
        let back = std::mem::take(&mut self.credits);
        let recent = self.ring.total(self.grid.moment(now));
        self.alone = self.alone.min(recent);
        Ok(Question {
            grid: self.grid,
            quota,
            need,
            waiting,
            expected: self.arrived.now.max(self.arrived.before),
            is_short: self.was_refused(now),
            known: self.born,
            back,
            back_to: self.bucket,
            alone: self.alone,
            recent,
        })
    }

    /// Whether a request was refused in the last window.
    fn was_refused(&self, now: Duration) -> bool {
        let window = self.grid.width() * crate::limit::ring::BUCKETS;
        !self.refused_until.is_zero() && self.refused_until + window > now
    }

    /// Takes the answer to a question that was sent at `sent`.
    pub(super) fn learn(&mut self, sent: Duration, now: Duration, asked: &Question, reply: &Reply) {
        self.alone = self.alone.saturating_sub(asked.alone);
        self.credits = reply.granted;
        self.waiting = self.waiting.saturating_sub(reply.granted);
        self.bucket = reply.bucket;
        // The server looked at its clock after the question was sent, so its sub-bucket ends later.
        self.spend_until = sent + reply.ends;
        let is_late = now.saturating_sub(sent) > self.grid.width();
        self.late = if is_late { self.late + 1 } else { 0 };
        if self.late >= LATE_MAX {
            self.slow_until = now + OUTAGE_RETRY;
        }
        self.left = reply.left;
        self.born = reply.born;
        if !reply.wait.is_zero() {
            // It answered before the answer came, so by then the units are released.
            self.refused_until = now + reply.wait;
            self.waiting = 0;
        }
    }

    /// Ends the question that is under way, whether it was answered or not.
    pub(super) fn end(&mut self) {
        if let Some(asking) = self.asking.take() {
            asking.close();
        }
    }

    /// Takes back what was taken, and leaves it to the next request.
    pub(super) fn give_back(&mut self, now: Duration, cost: u32) {
        self.ring.uncharge(cost);
        // What a lease that has ended leaves would be handed back to the wrong sub-bucket.
        if now < self.spend_until {
            self.credits = self.credits.saturating_add(cost);
        }
    }

    /// Decides while Redis cannot be asked, and charges what is admitted. `processes` share a
    /// quota.
    pub(super) fn decide_alone(
        &mut self,
        now: Duration,
        policy: &Policy,
        cost: u32,
        processes: u32,
    ) -> Standing {
        let moment = self.grid.moment(now);
        let standing = match policy.outage {
            OutageMode::Local => {
                // A share that no request fits in would be none.
                let share = (policy.quota / processes).max(cost).max(1);
                self.ring.decide(self.grid, moment, share, cost)
            }
            OutageMode::Closed => Standing {
                outcome: Outcome::Uncounted,
                remaining: 0,
                reset_after: OUTAGE_RETRY,
                retry_after: OUTAGE_RETRY,
            },
            OutageMode::Open => {
                self.ring.charge(moment, cost);
                let judged = self.ring.judge(self.grid, moment, policy.quota, 0);
                Standing { outcome: Outcome::Admitted, retry_after: Duration::ZERO, ..judged }
            }
        };
        if standing.outcome == Outcome::Admitted {
            self.alone = self.alone.saturating_add(cost);
        }
        standing
    }

    /// Takes back what was [admitted alone](Self::decide_alone).
    pub(super) fn take_back_alone(&mut self, cost: u32) {
        self.ring.uncharge(cost);
        self.alone = self.alone.saturating_sub(cost);
    }
}

impl table::Entry for Account {
    fn is_spent(&mut self, now: Duration) -> bool {
        let is_over = self.spend_until.max(self.refused_until) <= now;
        is_over && self.asking.is_none() && self.ring.is_spent(self.grid.moment(now))
    }
}
