//! Rate limits as a contract: who counts is behind [`Limiter`], in process or in Redis.

use std::{future::Future, pin::Pin, time::Duration};

/// The most policies that one request is held against at once: a burst and a day, by client and by
/// tenant.
pub const CHARGES_MAX: usize = 4;

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

impl OutageMode {
    /// The word for it in tables and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
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

/// What a request asks of one policy.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The limit.
    pub policy: &'a Policy,
    /// Whoever it counts: a client, a subject. Implementations may hash it, and must before it
    /// leaves the process.
    pub key: u128,
    /// Units. 0 asks without charging.
    pub cost: u32,
}

/// What becomes of a request. What is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It may go on.
    Admitted,
    /// Nobody can count now, and the policy is closed then.
    Uncounted,
    /// The window is full.
    Refused,
}

/// How a key stands under one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What this policy says of the request.
    pub outcome: Outcome,
    /// Units left to this key. May be lower than the truth, never higher.
    pub remaining: u32,
    /// Until at least one unit is released; zero when units are left.
    pub reset_after: Duration,
    /// Until the request may be admitted; zero when it is.
    pub retry_after: Duration,
}

impl Standing {
    const NONE: Self = Self {
        outcome: Outcome::Admitted,
        remaining: u32::MAX,
        reset_after: Duration::ZERO,
        retry_after: Duration::ZERO,
    };
}

/// What the limiter says about a request, and how its key stands under each policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The worst that a policy says. Unless it is `Admitted`, no policy has been charged.
    pub outcome: Outcome,
    /// The longest of the policies' times until the request may be admitted.
    pub retry_after: Duration,
    standings: [Standing; CHARGES_MAX],
    count: u8,
}

impl Decision {
    /// The decision that follows from these standings, of which there are at most
    /// [`CHARGES_MAX`]; none admit.
    pub fn of(each: impl IntoIterator<Item = Standing>) -> Self {
        let mut decision = Self {
            outcome: Outcome::Admitted,
            retry_after: Duration::ZERO,
            standings: [Standing::NONE; CHARGES_MAX],
            count: 0,
        };
        for (place, standing) in decision.standings.iter_mut().zip(each) {
            *place = standing;
            decision.outcome = decision.outcome.max(standing.outcome);
            decision.retry_after = decision.retry_after.max(standing.retry_after);
            decision.count += 1;
        }
        decision
    }

    /// Whether the request may go on.
    pub fn is_admitted(&self) -> bool {
        self.outcome == Outcome::Admitted
    }

    /// One for each charge, in their order.
    pub fn standings(&self) -> &[Standing] {
        &self.standings[..self.count.into()]
    }
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
    /// Decides about a request that is held against all of `charges`, and charges all of them when
    /// every one admits it, or none.
    ///
    /// There are at most [`CHARGES_MAX`], of different policies. Memory for keys is bounded,
    /// however many there are.
    fn decide<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a>;
}
