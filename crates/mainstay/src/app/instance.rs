//! `Instance`: a running service. `serve` and the test kit start it by the same function.

use std::{net::SocketAddr, sync::Arc};

use mainstay_core::Clock;
use mainstay_web::{
    Edge,
    edge::{Breach, ProblemObserver},
    ops,
    server::{Drained, Server, Shutdown},
};
use tokio::task::{JoinHandle, JoinSet};

use super::{
    Application, Failure, Resources, idempotency, metrics as measured, open, options,
    prepare::{Prepared, prepare},
};
use crate::{
    config::{Effective, Framework},
    console::{self, Console},
    passwords::PasswordOptions,
    telemetry::Telemetry,
    traces::{Exporter, Exporting},
};

/// What tests replace, and production leaves alone.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Instead of the machine's clocks.
    pub clock: Option<Arc<dyn Clock>>,
    /// Panic on an undeclared answer instead of reporting it.
    pub strict: Option<Breach>,
    /// Sees every problem answered.
    pub observer: Option<ProblemObserver>,
    /// Requests leave no line, no metrics and no steps. What watching costs is measured against it.
    pub unobserved: bool,
    /// Instead of the default cost and queue of password hashing.
    pub passwords: Option<PasswordOptions>,
}

impl std::fmt::Debug for Overrides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overrides").finish_non_exhaustive()
    }
}

/// A service that answers on its two listeners until it is stopped.
#[derive(Debug)]
pub struct Instance {
    api: SocketAddr,
    ops: SocketAddr,
    edge: Arc<Edge>,
    resources: Resources,
    shutdown: Shutdown,
    readiness: ops::Readiness,
    _watch: ops::Watch,
    console: Console,
    _pulse: JoinSet<()>,
    serving: JoinHandle<Drained>,
    probes: JoinHandle<Drained>,
    probes_shutdown: Shutdown,
    exporting: Option<Exporting>,
}

impl Instance {
    /// Opens the database, migrates it, binds both listeners and answers.
    pub async fn start<A: Application>(
        framework: &Framework,
        settings: &A::Settings,
        effective: Effective,
        telemetry: &Telemetry,
        overrides: Overrides,
    ) -> Result<Self, Failure> {
        let resources = open::<A>(framework, &overrides).await?;
        let Prepared { edge, readiness, ops_edge, counting, measured, metrics, console, .. } =
            prepare::<A>(framework, settings, &resources, telemetry, overrides)?;
        let exporter = measured.traces.exporter.as_ref();
        let start = |exporter: &Exporter| exporter.start::<A>(&resources.clock);
        let exporting = exporter.map(start).transpose()?;
        if edge.keeps_answers() {
            idempotency::check(&resources).await?;
        }
        counting.ready(framework).await;
        let bind = |address, options, variable| {
            Server::bind(address, options).map_err(|error| cannot_listen(variable, address, &error))
        };
        let Framework { http, ops, .. } = framework;
        let api = SocketAddr::new(http.host, http.port);
        let server = bind(api, options::server(framework), "PORT")?;
        let ops = SocketAddr::new(ops.host, ops.port);
        let probes = bind(ops, options::ops_server(framework), "OPS_PORT")?;
        let watch = readiness.watch().await;
        let registry = measured::registry::<A>(framework, &resources, measured, server.stats())?;
        let _ = metrics.set(registry);
        let facts = console::Facts::of::<A>(&resources, effective);
        let pulse = console.begin(metrics, facts, resources.clock.clone());
        let (shutdown, probes_shutdown) = (Shutdown::new(), Shutdown::new());
        Ok(Self {
            api: local(&server)?,
            ops: local(&probes)?,
            serving: tokio::spawn(server.run(edge.clone(), shutdown.clone())),
            probes: tokio::spawn(probes.run(Arc::new(ops_edge), probes_shutdown.clone())),
            edge,
            resources,
            shutdown,
            readiness,
            _watch: watch,
            console,
            _pulse: pulse,
            probes_shutdown,
            exporting,
        })
    }

    /// Where the API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.api
    }

    /// Where the probes listen.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// What the service was built from.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The edge around the API.
    pub fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// Stops: readiness turns false at once, requests in flight finish within the drain deadline,
    /// then the last traces are sent and the database is closed. Probes are answered until the end.
    pub async fn stop(self) -> Drained {
        self.readiness.drain();
        self.shutdown.trigger();
        // A listener's task ends only by its drain; if it panicked there is nothing to wait for.
        let aborted = Drained { completed: false, connections_aborted: 0 };
        let drained = self.serving.await.unwrap_or(aborted);
        let traces = async {
            if let Some(exporting) = self.exporting {
                exporting.stop().await;
            }
        };
        tokio::join!(self.resources.database.close(), traces);
        self.console.end();
        self.probes_shutdown.trigger();
        let _ = self.probes.await;
        drained
    }
}

fn local(server: &Server) -> Result<SocketAddr, Failure> {
    let address = server.local_address();
    address.map_err(|error| Failure::unexpected("the listener has no address", &error))
}

fn cannot_listen(variable: &str, address: SocketAddr, error: &std::io::Error) -> Failure {
    let fix = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("stop the other process, or choose another port with {variable}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a privilege; choose another with {variable}")
        }
        _ => format!("check the address, and {variable}"),
    };
    Failure::new(format!("cannot listen on {address}"), error.to_string(), fix)
}
