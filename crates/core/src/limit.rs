//! Rate limits as a contract: who counts is behind [`Limiter`], in process or in Redis.

use std::{future::Future, pin::Pin, time::Duration};

/// What a route does when the place that counts cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutageMode {
    /// Each process enforces its own share of the limit.
    Local,
    /// Refuse: for log-ins and one-time codes.
    Closed,
    /// Admit.
    Open,
}

/// At most `quota` units in any interval of length `window`, for each key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Unique within the service; appears in `RateLimit-Policy`: `users.create`.
    pub name: String,
    /// Units admitted in any window; at least 1.
    pub quota: u32,
    /// Length of the window; 1 s to 24 h.
    pub window: Duration,
    /// What happens when the counter is out of reach.
    pub outage: OutageMode,
}

/// What the limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub admitted: bool,
    /// Units left to this key now. May be lower than the truth, never higher.
    pub remaining: u32,
    /// Until at least one unit is released; zero when units are left. What `Retry-After` says,
    /// rounded up to seconds.
    pub reset_after: Duration,
}

/// A decision at hand, or one that needs a round trip. In-process limiters allocate nothing.
#[expect(missing_debug_implementations, reason = "holds a future")]
pub enum Verdict<'a> {
    /// Known at once.
    Now(Decision),
    /// Known after asking.
    Later(Pin<Box<dyn Future<Output = Decision> + Send + 'a>>),
}

/// Counts requests against policies.
pub trait Limiter: Send + Sync + 'static {
    /// Decides about `cost` units for `key` under `policy`, and charges them when admitted.
    ///
    /// `key` identifies the client or the principal; implementations may hash it and must bound
    /// the memory they keep for unseen ones. `cost` of 0 asks without charging.
    fn decide<'a>(&'a self, policy: &'a Policy, key: u128, cost: u32) -> Verdict<'a>;
}
