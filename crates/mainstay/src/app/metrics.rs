//! Who has something to say at a scrape: the one list of all collectors, in the order of the page.

use std::sync::Arc;

use mainstay_core::RequestLog;
use mainstay_web::{Edge, server::ServerStats};

use super::{Application, Failure, Resources, limits::Counting};
use crate::{
    config::Framework,
    metrics::{
        BuildInfo, Calls, Collect, Connections, DatabaseLoad, LimiterLoad, LogDrops, Meter,
        PasswordLoad, Process, Registry, Requests, Runtime, SharedCaches, TraceExport,
    },
};

/// What is measured of a service, but for its listener.
pub(super) struct Measured {
    pub(super) meter: Arc<Meter>,
    pub(super) edge: Arc<Edge>,
    pub(super) counting: Counting,
    pub(super) log: Arc<dyn RequestLog>,
    pub(super) traces: TraceExport,
    /// The service's own.
    pub(super) own: Vec<Arc<dyn Collect>>,
}

/// Puts everybody's metrics together. A service that gives two metrics one name is told so.
pub(super) fn registry<A: Application>(
    framework: &Framework,
    resources: &Resources,
    measured: Measured,
    stats: Arc<ServerStats>,
) -> Result<Registry, Failure> {
    let Measured { meter, edge, counting, log, traces, own } = measured;
    let max = framework.http.connections_max;
    let mut collectors: Vec<Arc<dyn Collect>> = vec![
        Arc::new(Requests { meter, edge }),
        Arc::new(Connections { stats, max }),
        Arc::new(LimiterLoad(move || counting.figures())),
        Arc::new(DatabaseLoad(resources.database.clone())),
        Arc::new(SharedCaches(resources.caches.clone())),
        Arc::new(PasswordLoad(resources.passwords.clone())),
        Arc::new(Calls(resources.clients.clone())),
        Arc::new(LogDrops(log)),
        Arc::new(traces),
        Arc::new(Runtime),
        Arc::new(Process { since: resources.clock.now() }),
        Arc::new(BuildInfo { name: A::NAME, version: A::VERSION }),
    ];
    collectors.extend(own);
    Registry::new(collectors).map_err(|mistakes| {
        let fix = "change what the service gives to `Assembly::measure`";
        Failure::new("the service contradicts itself", mistakes, fix)
    })
}
