//! `Instance`: a running service. `serve` and the test kit start it by the same function.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use mainstay_core::{Clock, HealthCheck, RequestLine, RequestLog, SystemClock};
use mainstay_store::{
    Caches, CachesOptions, Database, DatabaseOptions, MigrateError, Redis, Refusals,
};
use mainstay_web::{
    Edge, EdgeBuilder, EdgeParts,
    discipline::{self, Evidence, Matrix},
    edge::{Breach, ProblemObserver},
    openapi, ops,
    server::{Drained, Server, ServerStats, Shutdown},
};
use tokio::task::{JoinHandle, JoinSet};

use super::{
    Application, Assembly, Failure, Resources, idempotency,
    limits::{self, Counting},
    metrics::{self as measured, Measured},
    options,
};
use crate::{
    config::{Effective, Framework, MigrateAtStart},
    console::{self, Console},
    http::Clients,
    metrics::{self, Meter, Registry, TraceExport},
    passwords::{PasswordOptions, Passwords},
    telemetry::Telemetry,
    traces::{Exporter, Exporting},
    why::{self, Recorder},
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

/// The edges of a service, not yet listening.
pub(crate) struct Prepared {
    pub(crate) edge: Arc<Edge>,
    pub(crate) ops_edge: Edge,
    pub(crate) matrix: Matrix,
    readiness: ops::Readiness,
    counting: Counting,
    measured: Measured,
    metrics: metrics::Published,
    console: Console,
}

impl Prepared {
    /// The metrics of a service that does not listen.
    pub(crate) fn registry<A: Application>(
        self,
        framework: &Framework,
        resources: &Resources,
    ) -> Result<Registry, Failure> {
        measured::registry::<A>(framework, resources, self.measured, Arc::<ServerStats>::default())
    }
}

/// Puts the edge around the modules. Does no I/O, so that `routes` and `openapi` can use it.
pub(crate) fn prepare<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    resources: &Resources,
    telemetry: &Telemetry,
    overrides: Overrides,
) -> Result<Prepared, Failure> {
    let Assembly { edge, authenticator, mut health, metrics: own } =
        A::assemble(resources, settings);
    health.push(Arc::new(resources.database.clone()) as Arc<dyn HealthCheck>);
    let counting = limits::counting(framework, resources);
    let log = telemetry.request_log();
    let meter = Arc::new(Meter::new());
    let refusals = Arc::new(Refusals::new(counting.limiter(), resources.clock.clone()));
    let console = Console::new(refusals.clone());
    let now = resources.clock.now();
    let recorder = Arc::new(Recorder::new(framework.why.bytes, A::NAME, A::VERSION, now));
    let exporter = Exporter::new(&framework.traces, resources.database.engine());
    let exports = exporter.clone().map(|exporter| Arc::new(exporter) as Arc<dyn RequestLog>);
    let watched = console.tail();
    let listeners = [meter.clone() as Arc<dyn RequestLog>, recorder.clone(), log.clone(), watched]
        .into_iter()
        .chain(exports)
        .filter(|_| !overrides.unobserved);
    let parts = EdgeParts {
        limiter: refusals,
        authenticator,
        idempotency: Some(Arc::new(idempotency::store(resources))),
        log: Arc::new(Listeners(listeners.collect())),
        clock: resources.clock.clone(),
    };
    let mut edge_options = options::edge::<A>(framework);
    edge_options.breach = overrides.strict.unwrap_or(Breach::Report);
    edge_options.observer = overrides.observer;
    edge_options.records_steps =
        !overrides.unobserved && (framework.why.bytes > 0 || exporter.is_some());
    let sampler = edge_options.sampler.clone();
    let described = Arc::new(OnceLock::new());
    let edge = edge
        .mount(openapi::routes(described.clone()))
        .build(edge_options.clone(), parts.clone())
        .map_err(|errors| contradiction(&errors))?;
    let edge = Arc::new(edge);
    meter.prepare(&edge);
    recorder.prepare(&edge);
    let _ = described.set(edge.clone());

    let readiness = ops::Readiness::new(health, resources.clock.clone());
    let published = discipline::Published::default();
    let metrics = metrics::Published::default();
    let parts = EdgeParts { log: Arc::new(FailuresOnly(log.clone())), ..parts };
    let ops_edge = EdgeBuilder::default()
        .mount(ops::routes(readiness.clone()))
        .mount(discipline::routes(published.clone()))
        .mount(super::connections::routes(resources.database.clone()))
        .mount(super::log_level::routes(telemetry.levels()))
        .mount(metrics::routes(metrics.clone()))
        .mount(console::routes(console.clone()))
        .mount(why::routes(recorder))
        .build(options::ops_edge(framework, edge_options), parts)
        .map_err(|errors| contradiction(&errors))?;
    let evidence = Evidence::parse(A::evidence()).map_err(|invalid| invalid_evidence(&invalid))?;
    let matrix = edge.discipline(&evidence).join(ops_edge.discipline(&evidence));
    let _ = published.set(matrix.to_json().to_string().into());
    let traces = TraceExport { exporter, sampler };
    let measured =
        Measured { meter, edge: edge.clone(), counting: counting.clone(), log, traces, own };
    Ok(Prepared { edge, ops_edge, matrix, readiness, counting, measured, metrics, console })
}

/// Opens the database and brings its schema up to date, or refuses to start behind it.
pub(crate) async fn open<A: Application>(
    framework: &Framework,
    overrides: &Overrides,
) -> Result<Resources, Failure> {
    let resources = open_unmigrated::<A>(framework, overrides).await?;
    let migrator = resources.database.migrate(A::migrations());
    let pending = match framework.database.migrate_at_start {
        MigrateAtStart::Auto => {
            migrator.up().await.map_err(migration_failure)?;
            0
        }
        MigrateAtStart::Manual => migrator.plan().await.map_err(migration_failure)?.len(),
    };
    if pending > 0 {
        return Err(Failure::new(
            format!("{pending} migrations have not been applied"),
            "database.migrate_at_start is `manual`, and the service needs its schema",
            format!("run `{} migrate up`", A::NAME),
        ));
    }
    Ok(resources)
}

/// Opens the database as it is.
pub(crate) async fn open_unmigrated<A: Application>(
    framework: &Framework,
    overrides: &Overrides,
) -> Result<Resources, Failure> {
    let (url, database_options) = options::database::<A>(framework)?;
    let redis = options::redis::<A>(framework)?;
    let database = Database::open(&url, &database_options).await.map_err(|error| {
        let explained = error.0;
        Failure::new(explained.what, explained.why, explained.fix)
    })?;
    let kept = (options::passwords(framework), options::caches(framework));
    Ok(resources(database, redis, kept, overrides))
}

/// Resources around an empty database in memory, for commands that only describe the service.
pub(crate) async fn offline() -> Result<Resources, Failure> {
    let url = "sqlite::memory:".parse().map_err(|error: mainstay_store::UrlError| {
        Failure::unexpected("no database in memory", &error)
    })?;
    let database = Database::open(&url, &DatabaseOptions::default())
        .await
        .map_err(|error| Failure::unexpected("no database in memory", &error))?;
    let usual = (PasswordOptions::default(), CachesOptions::default());
    Ok(resources(database, None, usual, &Overrides::default()))
}

fn resources(
    database: Database,
    redis: Option<Redis>,
    (passwords, caches): (PasswordOptions, CachesOptions),
    overrides: &Overrides,
) -> Resources {
    let clock = overrides.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
    let passwords = Passwords::new(overrides.passwords.unwrap_or(passwords));
    let caches = match &redis {
        Some(redis) => Caches::shared(redis, clock.clone(), caches),
        None => Caches::alone(clock.clone()),
    };
    Resources { database, redis, caches, clock, passwords, clients: Clients::default() }
}

/// What a failed migration tells an operator.
pub(crate) fn migration_failure(error: MigrateError) -> Failure {
    match error {
        MigrateError::Refused(explained) => {
            Failure::new(explained.what, explained.why, explained.fix)
        }
        MigrateError::Failed { explanation, cause } => {
            let why = format!("{}: {cause:?}", explanation.why);
            Failure::new(explanation.what, why, explanation.fix)
        }
        MigrateError::Store(error) => Failure::unexpected("the migrations failed", &error),
    }
}

/// Everybody who wants the line of each request, in the order in which they get it.
struct Listeners(Vec<Arc<dyn RequestLog>>);

impl RequestLog for Listeners {
    fn record(&self, line: &RequestLine<'_>) {
        for listener in &self.0 {
            listener.record(line);
        }
    }

    fn dropped(&self) -> u64 {
        self.0.iter().map(|listener| listener.dropped()).sum()
    }
}

/// A probe that succeeds says nothing that its absence would not.
struct FailuresOnly(Arc<dyn RequestLog>);

impl RequestLog for FailuresOnly {
    fn record(&self, line: &RequestLine<'_>) {
        if line.status >= 400 {
            self.0.record(line);
        }
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

fn invalid_evidence(invalid: &discipline::InvalidEvidence) -> Failure {
    let fix = "write it again with `check --evidence FOLDER`";
    Failure::new("the evidence of the service cannot be read", invalid.to_string(), fix)
}

fn contradiction(errors: &mainstay_web::edge::BuildErrors) -> Failure {
    Failure::new("the service contradicts itself", errors.to_string(), "change the route tables")
}
