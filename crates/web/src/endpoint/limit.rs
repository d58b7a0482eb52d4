//! How often an endpoint may be called, as it is written in a route table, and as it is settled.

use std::{fmt, time::Duration};

use axum::http::HeaderValue;
use mainstay_core::{OutageMode, Policy};

use crate::openapi::short;

/// Whom a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKey {
    /// The client's address (IPv6: its /64), decided before authentication.
    Client,
    /// Whoever sends the same value in this header, decided before authentication; without the
    /// header, the client.
    Header(&'static str),
    /// The authenticated subject, decided right after authentication.
    Principal,
    /// The credential: a session or an API key, decided right after authentication.
    Credential,
}

impl LimitKey {
    /// Whether it is known only once the caller is.
    pub(crate) fn needs_caller(self) -> bool {
        matches!(self, Self::Principal | Self::Credential)
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Header(name) => name,
            Self::Principal => "principal",
            Self::Credential => "credential",
        })
    }
}

/// At most so many requests in any interval of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub(crate) key: LimitKey,
    pub(crate) quota: u32,
    pub(crate) window: Duration,
    pub(crate) cost: u32,
    /// `None` while nobody has said it.
    pub(crate) outage: Option<OutageMode>,
}

impl Limit {
    /// At most `quota` requests from one client address in any `window` (1 s to 24 h).
    pub const fn per_client(quota: u32, window: Duration) -> Self {
        Self::per(LimitKey::Client, quota, window)
    }

    /// At most `quota` requests of one subject in any `window` (1 s to 24 h). Not for public
    /// endpoints: they have no subject. Until the subject is known, another limit of the endpoint
    /// counts the client, or the service's default.
    pub const fn per_principal(quota: u32, window: Duration) -> Self {
        Self::per(LimitKey::Principal, quota, window)
    }

    /// At most `quota` requests with one credential, a session or an API key, in any `window` (1 s
    /// to 24 h). Otherwise as [`per_principal`](Self::per_principal).
    pub const fn per_credential(quota: u32, window: Duration) -> Self {
        Self::per(LimitKey::Credential, quota, window)
    }

    /// At most `quota` requests with one value of the header `name`, in lower case, in any `window`
    /// (1 s to 24 h). Requests without the header are counted by client.
    ///
    /// Whoever sends the header chooses the value, and with it the window. A public endpoint
    /// therefore has a limit by client as well; elsewhere the service's default counts clients.
    pub const fn per_header(name: &'static str, quota: u32, window: Duration) -> Self {
        Self::per(LimitKey::Header(name), quota, window)
    }

    const fn per(key: LimitKey, quota: u32, window: Duration) -> Self {
        Self { key, quota, window, cost: 1, outage: None }
    }

    /// How many of the quota one request takes. 1 until it is said.
    #[must_use]
    pub const fn cost(mut self, units: u32) -> Self {
        self.cost = units;
        self
    }

    /// What happens when the shared counter is out of reach. `Local` until it is said, which the
    /// discipline matrix asks for.
    #[must_use]
    pub const fn on_outage(mut self, mode: OutageMode) -> Self {
        self.outage = Some(mode);
        self
    }
}

/// The limits an endpoint ended up with.
#[derive(Clone, Debug)]
pub(crate) enum SettledLimits {
    /// Counts in two steps, one of which may be empty.
    Limited { on_arrival: Step, signed_in: Step },
    /// Counts nothing, for this reason.
    Unlimited(&'static str),
}

/// Limits that are decided together: all of them are charged, or none.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) limits: Vec<SettledLimit>,
    /// `RateLimit-Policy` once the step is taken, encoded once: what the step before it counts is
    /// in it.
    pub(crate) header: HeaderValue,
}

/// One limit with nothing left to decide.
#[derive(Clone, Debug)]
pub(crate) struct SettledLimit {
    pub(crate) key: LimitKey,
    pub(crate) policy: Policy,
    /// The policy's name, for journals.
    pub(crate) label: &'static str,
    pub(crate) cost: u32,
    /// It is the service's default, and counts clients for limits that cannot.
    pub(crate) stands_in: bool,
}

/// As tables show it: `20/1min per client`.
impl fmt::Display for SettledLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { quota, window, .. } = &self.policy;
        write!(f, "{quota}/{} per {}", short(*window), self.key)?;
        match self.cost {
            1 => Ok(()),
            cost => write!(f, ", {cost} each"),
        }
    }
}

impl SettledLimits {
    /// What the tables and documents tell: the limits that were chosen, or the default.
    pub(crate) fn told(&self) -> impl Iterator<Item = &SettledLimit> {
        let (on_arrival, signed_in): (&[_], &[_]) = match self {
            Self::Limited { on_arrival, signed_in } => (&on_arrival.limits, &signed_in.limits),
            Self::Unlimited(_) => (&[], &[]),
        };
        on_arrival.iter().chain(signed_in).filter(|limit| !limit.stands_in)
    }

    /// The same in one cell of a table; of no limits the reason.
    pub(crate) fn label(&self) -> Result<String, &'static str> {
        if let Self::Unlimited(reason) = self {
            return Err(reason);
        }
        let told: Vec<String> = self.told().map(SettledLimit::to_string).collect();
        Ok(told.join(" and "))
    }
}
