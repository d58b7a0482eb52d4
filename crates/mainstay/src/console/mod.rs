//! The operators' console: what a person opens first when something is wrong.
//!
//! One page, embedded in the binary, beside a stream of what the process says of itself. Nothing is
//! measured here: once a second [`pulse`] reads the page of metrics that all collectors write, and
//! [`tail`] is handed the line of every request, as the log is. The browser draws.

mod about;
mod assets;
mod events;
mod limits;
mod pulse;
mod sampler;
mod tail;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use mainstay_core::{Clock, RequestLog};
use mainstay_store::Refusals;
use mainstay_web::{Cache, Routes, get};
use tokio::task::JoinSet;

pub(crate) use self::about::Facts;
use self::pulse::Pulse;
use crate::metrics;

const OPERATORS: &str = "only operators reach this listener";

/// What the endpoints of the console share.
#[derive(Clone)]
pub(crate) struct Console {
    pulse: Arc<Pulse>,
    refusals: Arc<Refusals>,
    /// Known once the service is about to listen.
    facts: Arc<OnceLock<Facts>>,
}

impl Console {
    pub(crate) fn new(refusals: Arc<Refusals>) -> Self {
        Self { pulse: Arc::default(), refusals, facts: Arc::default() }
    }

    /// What gets the line of every request.
    pub(crate) fn tail(&self) -> Arc<dyn RequestLog> {
        self.pulse.clone()
    }

    /// Reads the metrics once a second until what it returns is dropped.
    pub(crate) fn begin(
        &self,
        metrics: metrics::Published,
        facts: Facts,
        clock: Arc<dyn Clock>,
    ) -> JoinSet<()> {
        let _ = self.facts.set(facts);
        let mut beating = JoinSet::new();
        beating.spawn(pulse::beat(self.pulse.clone(), metrics, clock));
        beating
    }

    /// Ends every stream: they would hold the listener open.
    pub(crate) fn end(&self) {
        self.pulse.end();
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

/// Paths that say nothing about this process, and so need no token: the page asks for it.
pub(crate) fn open_paths() -> Vec<String> {
    assets::paths()
}

/// The endpoints. Not for the API's listener.
pub(crate) fn routes(console: Console) -> Routes<Console> {
    let page = get("/console", assets::page)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("The console, for people");
    let file = get("/console/assets/{file}", assets::file)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("What the page of the console is made of");
    let events = get("/console/events", events::events)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("What the process measures, every second, and the requests it answers");
    let about = get("/console/about", about::about)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("What runs, how it is configured, and the migrations of its database");
    let limits = get("/console/limits", limits::limits)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("Whom the limits have refused most of late");
    Routes::new("ops", console).add(page).add(file).add(events).add(about).add(limits)
}
