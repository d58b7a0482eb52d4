//! When a service is left alone: a breaker over the outcomes of the last attempts.
//!
//! Closed, it keeps the last outcomes in a word of bits. Too many failures among them open it:
//! nothing is let through until the rest is over, and then one attempt, the probe. The probe's
//! success closes it and its failure begins a longer rest; a probe that nobody waited for leaves
//! the place to another. Each change of the state begins an epoch, and what began in an earlier one
//! no longer counts: stragglers neither close nor open anything.
//!
//! The window is one of attempts and not of time, as Resilience4j's count-based one is: it needs
//! no timer, and says the same at every load.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::BreakerOptions;

#[derive(Debug)]
pub(super) struct Breaker {
    /// `None` for a breaker that stays closed.
    options: Option<BreakerOptions>,
    now: Mutex<Epoch>,
    openings: AtomicU64,
}

#[derive(Debug)]
struct Epoch {
    number: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A bit for each of the last attempts, 1 for a failure; the latest is the lowest.
    Closed {
        outcomes: u64,
    },
    Open {
        until: Instant,
        rest: Duration,
        is_probed: bool,
    },
}

/// What an attempt says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Well,
    /// It does not.
    Failed,
    /// Nothing: whoever asked did not wait as long as it may take.
    Unknown,
}

/// Leave for one attempt. Dropped without a verdict, it says nothing about the service.
#[derive(Debug)]
pub(super) struct Permit<'b> {
    breaker: &'b Breaker,
    epoch: u64,
}

impl Breaker {
    pub(super) fn new(options: Option<BreakerOptions>) -> Self {
        let state = State::Closed { outcomes: 0 };
        let now = Mutex::new(Epoch { number: 0, state });
        Self { options, now, openings: AtomicU64::new(0) }
    }

    /// Leave for an attempt, or how long to wait before the next one has a chance.
    pub(super) fn admit(&self, now: Instant) -> Result<Permit<'_>, Duration> {
        let mut epoch = self.epoch();
        match &mut epoch.state {
            State::Closed { .. } => {}
            State::Open { until, .. } if now < *until => return Err(*until - now),
            State::Open { rest, is_probed: true, .. } => return Err(*rest),
            State::Open { is_probed, .. } => *is_probed = true,
        }
        Ok(Permit { breaker: self, epoch: epoch.number })
    }

    /// Whether it refuses.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.epoch().state, State::Open { .. })
    }

    /// How often it has opened.
    pub(super) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// Nothing panics under the lock.
    fn epoch(&self) -> MutexGuard<'_, Epoch> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Says what came of the attempt.
    pub(super) fn settle(self, verdict: Verdict, now: Instant) {
        let (Some(options), false) = (self.breaker.options, verdict == Verdict::Unknown) else {
            return;
        };
        let mut epoch = self.breaker.epoch();
        if epoch.number != self.epoch {
            return;
        }
        let failed = verdict == Verdict::Failed;
        let next = match &mut epoch.state {
            State::Closed { outcomes } => {
                *outcomes = (*outcomes << 1 | u64::from(failed)) & window(options.of);
                let opens = failed && outcomes.count_ones() >= options.failures;
                opens.then_some(options.rest)
            }
            State::Open { rest, .. } if failed => {
                Some(rest.saturating_mul(2).min(options.rest_max))
            }
            State::Open { .. } => {
                *epoch = Epoch { number: epoch.number + 1, state: State::Closed { outcomes: 0 } };
                None
            }
        };
        if let Some(rest) = next {
            if matches!(epoch.state, State::Closed { .. }) {
                self.breaker.openings.fetch_add(1, Ordering::Relaxed);
            }
            let state = State::Open { until: now + rest, rest, is_probed: false };
            *epoch = Epoch { number: epoch.number + 1, state };
        }
    }
}

impl Drop for Permit<'_> {
    /// After a verdict the epoch is another one, or the breaker is closed.
    fn drop(&mut self) {
        let mut epoch = self.breaker.epoch();
        if epoch.number == self.epoch
            && let State::Open { is_probed, .. } = &mut epoch.state
        {
            *is_probed = false;
        }
    }
}

/// As many of the lowest bits as outcomes are kept.
const fn window(of: u32) -> u64 {
    if of >= u64::BITS { u64::MAX } else { (1 << of) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BreakerOptions = BreakerOptions {
        failures: 3,
        of: 6,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(3),
    };

    struct Bench {
        breaker: Breaker,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { breaker: Breaker::new(Some(OPTIONS)), now: Instant::now() }
        }

        /// One attempt, or the seconds to wait.
        fn attempt(&self, verdict: Verdict) -> Result<(), f64> {
            let permit = self.breaker.admit(self.now).map_err(|wait| wait.as_secs_f64())?;
            permit.settle(verdict, self.now);
            Ok(())
        }

        fn opened() -> Self {
            let bench = Self::new();
            for _ in 0..3 {
                bench.attempt(Verdict::Failed).expect("closed");
            }
            bench
        }

        fn wait(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn it_opens_at_so_many_failures_among_the_last_attempts() {
        let bench = Bench::new();
        // Every third fails, and of six that is two.
        for _ in 0..20 {
            for verdict in [Verdict::Failed, Verdict::Well, Verdict::Well] {
                bench.attempt(verdict).expect("closed");
            }
        }
        // Every second is three.
        for verdict in [Verdict::Failed, Verdict::Well, Verdict::Failed] {
            bench.attempt(verdict).expect("closed");
        }
        assert_eq!(bench.attempt(Verdict::Well), Err(1.0));
        assert!(bench.breaker.is_open());
        assert_eq!(bench.breaker.openings(), 1);
    }

    #[test]
    fn after_the_rest_one_attempt_is_let_through_and_its_success_closes_it() {
        let mut bench = Bench::opened();
        bench.wait(1);
        let probe = bench.breaker.admit(bench.now).expect("the rest is over");
        assert!(bench.breaker.admit(bench.now).is_err(), "one at a time");
        probe.settle(Verdict::Well, bench.now);
        assert!(!bench.breaker.is_open());
        // What was before is forgotten.
        for _ in 0..2 {
            bench.attempt(Verdict::Failed).expect("closed");
        }
        assert!(!bench.breaker.is_open());
    }

    #[test]
    fn each_failed_probe_doubles_the_rest_up_to_its_maximum() {
        let mut bench = Bench::opened();
        for (rest, next) in [(1, 2.0), (2, 3.0), (3, 3.0)] {
            bench.wait(rest);
            bench.attempt(Verdict::Failed).expect("a probe");
            assert_eq!(bench.attempt(Verdict::Well), Err(next));
        }
        assert_eq!(bench.breaker.openings(), 1, "it has been open all the time");
    }

    #[test]
    fn a_probe_that_nobody_waited_for_leaves_the_place_to_another() {
        let mut bench = Bench::opened();
        bench.wait(1);
        drop(bench.breaker.admit(bench.now).expect("a probe"));
        bench.attempt(Verdict::Unknown).expect("another");
        bench.attempt(Verdict::Well).expect("a third");
        assert!(!bench.breaker.is_open());
    }

    #[test]
    fn an_attempt_from_before_says_nothing_about_now() {
        let bench = Bench::new();
        let stragglers: Vec<_> =
            (0..4).map(|_| bench.breaker.admit(bench.now).expect("closed")).collect();
        for _ in 0..3 {
            bench.attempt(Verdict::Failed).expect("closed");
        }
        let mut stragglers = stragglers.into_iter();
        let mut straggler = || stragglers.next().expect("four");
        straggler().settle(Verdict::Well, bench.now);
        assert!(bench.breaker.is_open(), "a success of before does not close it");
        let later = bench.now + Duration::from_secs(1);
        let probe = bench.breaker.admit(later).expect("the rest is over");
        straggler().settle(Verdict::Failed, later);
        drop(straggler());
        assert!(bench.breaker.admit(later).is_err(), "the probe is still the only one");
        probe.settle(Verdict::Well, later);
        straggler().settle(Verdict::Failed, later);
        assert!(!bench.breaker.is_open());
    }

    #[test]
    fn a_breaker_that_nobody_wants_stays_closed() {
        let breaker = Breaker::new(None);
        let now = Instant::now();
        for _ in 0..1000 {
            breaker.admit(now).expect("closed").settle(Verdict::Failed, now);
        }
        assert!(!breaker.is_open());
    }
}
