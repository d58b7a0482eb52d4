//! How many attempts may be repeated: a bucket of tokens that calls fill.
//!
//! Each call brings a part of a token and each second some more; a repeated attempt takes a whole
//! one. A service that fails for everybody is thereby asked hardly more often than one that is
//! well. After Finagle's `RetryBudget`, and the retry throttling of gRPC (proposal A6).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::RetryBudget;

/// What may be saved up for a bad moment. Taste: as much as 1,000 calls bring by default.
const SAVED_MAX: f64 = 100.0;

/// How many seconds of the floor are there at the start, as with Finagle.
const SECONDS_AT_START: f64 = 10.0;

#[derive(Debug)]
pub(super) struct Budget {
    options: RetryBudget,
    balance: Mutex<Balance>,
}

#[derive(Debug)]
struct Balance {
    tokens: f64,
    /// Until when the floor has been paid in.
    paid_until: Instant,
}

impl Budget {
    pub(super) fn new(options: RetryBudget, now: Instant) -> Self {
        let tokens = (options.floor_per_second * SECONDS_AT_START).min(SAVED_MAX);
        Self { options, balance: Mutex::new(Balance { tokens, paid_until: now }) }
    }

    /// A call begins.
    pub(super) fn deposit(&self) {
        let mut balance = self.balance();
        balance.tokens = (balance.tokens + self.options.ratio).min(SAVED_MAX);
    }

    /// Whether an attempt may be repeated, which then is paid for.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut balance = self.balance();
        let passed = now.saturating_duration_since(balance.paid_until).as_secs_f64();
        let floor = passed * self.options.floor_per_second;
        balance.tokens = (balance.tokens + floor).min(SAVED_MAX);
        balance.paid_until = balance.paid_until.max(now);
        let is_enough = balance.tokens >= 1.0;
        if is_enough {
            balance.tokens -= 1.0;
        }
        is_enough
    }

    /// Nothing panics under the lock.
    fn balance(&self) -> MutexGuard<'_, Balance> {
        self.balance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many attempts are granted of as many as are asked for.
    fn granted(budget: &Budget, asked: u32, now: Instant) -> u32 {
        (0..asked).map(|_| u32::from(budget.withdraw(now))).sum()
    }

    #[test]
    fn ten_calls_pay_for_one_more_attempt() {
        let now = Instant::now();
        let budget = Budget::new(RetryBudget { ratio: 0.1, floor_per_second: 0.0 }, now);
        assert_eq!(granted(&budget, 5, now), 0);
        let mut all = 0;
        for _ in 0..1000 {
            budget.deposit();
            all += granted(&budget, 2, now);
        }
        assert!((99..=100).contains(&all), "{all}");
    }

    #[test]
    fn each_second_brings_the_floor_and_quiet_hours_no_more_than_the_maximum() {
        let now = Instant::now();
        let budget = Budget::new(RetryBudget { ratio: 0.0, floor_per_second: 2.0 }, now);
        assert_eq!(granted(&budget, 100, now), 20, "the first ten seconds are there");
        assert_eq!(granted(&budget, 100, now + Duration::from_secs(3)), 6);
        assert_eq!(granted(&budget, 1000, now + Duration::from_hours(9)), 100);
        assert_eq!(granted(&budget, 1, now), 0, "a clock that was read earlier brings nothing");
    }
}
