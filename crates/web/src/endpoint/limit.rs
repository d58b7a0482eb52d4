//! How often an endpoint may be called, as it is written in a route table.

use std::time::Duration;

use mainstay_core::OutageMode;

/// Whom a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKey {
    /// The client's address (IPv6: its /64), decided before authentication.
    Client,
    /// The authenticated subject, decided right after authentication.
    Principal,
}

/// At most so many requests in any interval of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub(crate) key: LimitKey,
    pub(crate) quota: u32,
    pub(crate) window: Duration,
    /// `None` while nobody has said it.
    pub(crate) outage: Option<OutageMode>,
}

impl Limit {
    /// At most `quota` requests from one client address in any `window` (1 s to 24 h).
    pub const fn per_client(quota: u32, window: Duration) -> Self {
        Self { key: LimitKey::Client, quota, window, outage: None }
    }

    /// At most `quota` requests of one subject in any `window` (1 s to 24 h). Not for public
    /// endpoints: they have no subject. Before the subject is known, the service's default limit
    /// counts the client.
    pub const fn per_principal(quota: u32, window: Duration) -> Self {
        Self { key: LimitKey::Principal, quota, window, outage: None }
    }

    /// What happens when the shared counter is out of reach. `Local` until it is said, which the
    /// discipline matrix asks for.
    #[must_use]
    pub const fn on_outage(mut self, mode: OutageMode) -> Self {
        self.outage = Some(mode);
        self
    }
}
