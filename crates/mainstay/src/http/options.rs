//! What is decided about the calls to a service, with the values that suit most.

use std::time::Duration;

/// How long a call takes at most, how much it holds, and when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientOptions {
    /// For a TCP connection, over all addresses of the host. 1 s by default.
    pub connect_timeout: Duration,
    /// For one attempt: from the look-up of the host to the last byte of the answer. 2 s by
    /// default. Only an attempt that had this long counts as a failure of the service, so it is
    /// best shorter than the deadlines of the endpoints that make calls.
    pub attempt_timeout: Duration,
    /// For a call with all its attempts and the waits between, where the request that it is made
    /// for does not end sooner. 5 s by default.
    pub timeout: Duration,
    /// Calls at the same time; more are refused at once. Over HTTP/1.1 each has a connection, and
    /// each may hold `body_bytes_max`. 256 by default, at least 1.
    pub in_flight_max: usize,
    /// Connections that are kept open without a call. 32 by default.
    pub idle_max: usize,
    /// How long they are kept. 15 s by default: shorter than what servers usually allow, so that
    /// a call seldom meets a connection that is being closed.
    pub idle_timeout: Duration,
    /// The longest body that is read. 1 MiB by default.
    pub body_bytes_max: usize,
    /// Attempts of a call that may be repeated, the first one included. 3 by default; 1 is none
    /// but the first.
    pub attempts_max: u32,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// How many attempts there may be beyond the first ones.
    pub retry_budget: RetryBudget,
    /// When the service is left alone; `None` for never.
    pub breaker: Option<BreakerOptions>,
}

/// Waits before the second attempt and later ones: a random time up to `first`, doubled each time,
/// up to `max` ("full jitter", AWS Architecture Blog, Exponential Backoff And Jitter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait. 50 ms by default.
    pub first: Duration,
    /// The longest of all. 1 s by default.
    pub max: Duration,
}

/// How many attempts may be added to the load of a service that fails, as Finagle's `RetryBudget`
/// has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Repeated attempts for each call. 0.1 by default: calls that all fail make 1.1 times as many
    /// attempts.
    pub ratio: f64,
    /// Repeated attempts in each second beside these, so that a client with few calls can repeat
    /// them. 1 by default.
    pub floor_per_second: f64,
}

/// A breaker opens when `failures` of the last `of` attempts have failed: the service could not be
/// reached, broke off, took all of the attempt's time, or answered 502, 503 or 504. Open, it
/// refuses calls without a try. After `rest` one attempt is let through; its success closes the
/// breaker, its failure doubles the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// 10 by default.
    pub failures: u32,
    /// 20 by default, 64 at most.
    pub of: u32,
    /// 1 s by default.
    pub rest: Duration,
    /// The longest rest. 30 s by default.
    pub rest_max: Duration,
}

/// Nobody waits longer, and sums of it do not overflow.
const LONGEST: Duration = Duration::from_hours(24);

impl ClientOptions {
    /// The same, with every time a day at most.
    pub(super) fn bounded(mut self) -> Self {
        for time in [
            &mut self.connect_timeout,
            &mut self.attempt_timeout,
            &mut self.timeout,
            &mut self.idle_timeout,
            &mut self.backoff.first,
            &mut self.backoff.max,
        ] {
            *time = (*time).min(LONGEST);
        }
        if let Some(breaker) = &mut self.breaker {
            breaker.rest = breaker.rest.min(LONGEST);
            breaker.rest_max = breaker.rest_max.min(LONGEST);
        }
        self
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            in_flight_max: 256,
            idle_max: 32,
            idle_timeout: Duration::from_secs(15),
            body_bytes_max: 1024 * 1024,
            attempts_max: 3,
            backoff: Backoff::default(),
            retry_budget: RetryBudget::default(),
            breaker: Some(BreakerOptions::default()),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { ratio: 0.1, floor_per_second: 1.0 }
    }
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 10,
            of: 20,
            rest: Duration::from_secs(1),
            rest_max: Duration::from_secs(30),
        }
    }
}
