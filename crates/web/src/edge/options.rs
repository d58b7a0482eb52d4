//! What the edge is given: its parts and its settings.

use std::{fmt, sync::Arc, time::Duration};

use axum::http::HeaderValue;
use mainstay_core::{Authenticator, Clock, Code, IdempotencyStore, Limiter, RequestLog};

use super::{address::TrustedProxies, cors::Cors, gate::Gate, sampler::Sampler};
use crate::extract::Transport;

/// What the edge needs from outside.
#[derive(Clone)]
pub struct EdgeParts {
    /// Counts requests.
    pub limiter: Arc<dyn Limiter>,
    /// Knows credentials; without one every `.allow(…)` endpoint answers `UNAUTHENTICATED`.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Remembers requests with a key; without one no endpoint can be
    /// [`ByKey`](crate::Repeat::ByKey).
    pub idempotency: Option<Arc<dyn IdempotencyStore>>,
    /// Takes the request lines.
    pub log: Arc<dyn RequestLog>,
    /// Tells the time of request lines.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for EdgeParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeParts").finish_non_exhaustive()
    }
}

/// What to do when an endpoint answers a code it has not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Panic outside the panic guard, so that a test cannot miss it.
    Panic,
    /// Answer `INTERNAL`, count it and log it.
    Report,
}

/// Sees every problem answered: method, route template, code.
pub type ProblemObserver = Arc<dyn Fn(&str, &str, Code) + Send + Sync>;

/// The settings of the edge.
#[derive(Clone)]
pub struct EdgeOptions {
    /// Name and version in the OpenAPI document.
    pub title: &'static str,
    /// See `title`.
    pub version: &'static str,
    /// For endpoints that name none.
    pub deadline: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// For endpoints that name none, in bytes.
    pub body_bytes_max: usize,
    /// For endpoints that name none: requests per client in the window.
    pub limit_quota: u32,
    /// See `limit_quota`.
    pub limit_window: Duration,
    /// Multiplies every quota; 1 but for load tests.
    pub limit_multiplier: u32,
    /// The longest request target taken, in bytes.
    pub uri_bytes_max: usize,
    /// Whose forwarding headers are believed.
    pub proxies: TrustedProxies,
    /// Which browsers' origins may call.
    pub cors: Cors,
    /// How sessions travel.
    pub transport: Transport,
    /// Whether to send `Strict-Transport-Security`, and with which value.
    pub transport_security: Option<HeaderValue>,
    /// Asks for a token in front of everything; for a listener whose callers have no accounts.
    pub gate: Option<Gate>,
    /// Whether what is done for a request is recorded, step by step
    /// ([`Step`](mainstay_core::Step)), and handed out with its line.
    pub records_steps: bool,
    /// Decides which traces are kept.
    pub sampler: Sampler,
    /// What an undeclared code does.
    pub breach: Breach,
    /// Sees every problem; for the coverage of the contract.
    pub observer: Option<ProblemObserver>,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self {
            title: "service",
            version: "0.0.0",
            deadline: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_bytes_max: 1 << 20,
            limit_quota: 600,
            limit_window: Duration::from_mins(1),
            limit_multiplier: 1,
            // What common proxies take in one line.
            uri_bytes_max: 8192,
            proxies: TrustedProxies::default(),
            cors: Cors::default(),
            transport: Transport::Bearer,
            transport_security: None,
            gate: None,
            records_steps: true,
            sampler: Sampler::default(),
            breach: Breach::Report,
            observer: None,
        }
    }
}

impl fmt::Debug for EdgeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeOptions").field("title", &self.title).finish_non_exhaustive()
    }
}
