//! Metrics: what a process counts about itself, written as one page when an operator's Prometheus
//! asks for it.
//!
//! Whoever does the work counts it, in atomics of its own ([`requests`] for requests). Every other
//! file here is a collector: it reads at the scrape what somebody else keeps, and never waits. To
//! add a metric, add a [`Family`] to the collector that it belongs to; `docs/metrics.md` is
//! generated from them.

mod accept;
mod caches;
mod clients;
mod database;
mod limiter;
mod page;
mod passwords;
mod process;
mod reference;
mod registry;
mod requests;
mod runtime;
mod serve;
mod server;
mod service;
mod traces;

pub use self::page::{Family, Format, Kind, Label, Page, Samples, Value};
pub(crate) use self::{
    caches::SharedCaches,
    clients::Calls,
    database::DatabaseLoad,
    limiter::{LimiterFigures, LimiterLoad, SharedLimits},
    passwords::PasswordLoad,
    process::Process,
    registry::Registry,
    requests::{BOUNDS, Meter, Requests},
    runtime::Runtime,
    serve::{Published, routes},
    server::Connections,
    service::{BuildInfo, LogDrops},
    traces::TraceExport,
};

/// Writes what it knows at this moment.
///
/// Called for each scrape, on a thread of the runtime: it must not wait for I/O, nor for a lock
/// that somebody holds across I/O. It writes every family it has each time, also those without a
/// sample.
pub trait Collect: Send + Sync + 'static {
    /// Adds its families to the page.
    fn collect(&self, page: &mut Page);
}

impl<F: Fn(&mut Page) + Send + Sync + 'static> Collect for F {
    fn collect(&self, page: &mut Page) {
        self(page);
    }
}
