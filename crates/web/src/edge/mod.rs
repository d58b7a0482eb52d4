//! The edge: one function in one order around every endpoint, instead of a stack of layers.
//!
//! [`life`] is the request life, top to bottom; the other files are its steps.

mod address;
mod arrival;
mod build;
mod conditional;
mod cors;
mod credential;
mod finish;
mod gate;
mod head;
mod idempotency_key;
mod life;
mod limit;
mod limits;
mod line;
mod once;
mod options;
mod outcomes;
mod panic_guard;
mod raw;
mod sampler;
mod service;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::{HeaderMap, HeaderValue};

pub use address::{ForwardedHeader, TrustedProxies};
pub use build::{BuildErrors, EdgeBuilder};
pub use cors::Cors;
pub(crate) use credential::{Credential, SESSION_COOKIE};
pub use gate::Gate;
pub(crate) use once::REPLAYED;
pub use options::{Breach, EdgeOptions, EdgeParts, ProblemObserver};
pub use outcomes::Outcomes;
pub use panic_guard::install_panic_hook;
pub use sampler::Sampler;

use crate::{endpoint::Settled, openapi::Document};

/// Every endpoint of a service with the life of a request around it. Shared by all connections.
pub struct Edge {
    options: EdgeOptions,
    parts: EdgeParts,
    router: matchit::Router<usize>,
    resources: Vec<Resource>,
    endpoints: Vec<Arc<Settled>>,
    document: Document,
    /// What every answer carries; each starts as a copy of it.
    standing: HeaderMap,
    breaches: AtomicU64,
    /// Requests whose line has begun and not ended.
    in_flight: AtomicU64,
}

/// One path and the methods it takes.
struct Resource {
    endpoints: Vec<Arc<Settled>>,
    /// The value of `Allow`.
    allow: HeaderValue,
}

impl Edge {
    /// How often an endpoint answered a code it had not declared.
    pub fn breaches(&self) -> u64 {
        self.breaches.load(Ordering::Relaxed)
    }

    /// How many requests are being answered at this moment: their heads have arrived, and the heads
    /// of their answers have not left.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The OpenAPI document and the error registry of these endpoints.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Whether an endpoint answers a repetition with what it answered before.
    pub fn keeps_answers(&self) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.is_by_key())
    }

    /// Whether there are credentials that are not good for every endpoint.
    pub(crate) fn is_scoped(&self) -> bool {
        self.parts.authenticator.as_ref().is_some_and(|known| known.is_scoped())
    }

    pub(crate) fn endpoints(&self) -> &[Arc<Settled>] {
        &self.endpoints
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}
