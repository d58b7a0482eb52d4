//! The edges of a service, built around its modules: the one for its callers, and the one for its
//! operators.

use std::sync::{Arc, OnceLock};

use mainstay_core::{HealthCheck, RequestLine, RequestLog};
use mainstay_store::Refusals;
use mainstay_web::{
    Edge, EdgeBuilder, EdgeParts,
    discipline::{self, Evidence, Matrix},
    edge::Breach,
    openapi, ops,
    server::ServerStats,
};

use super::{
    Application, Assembly, Failure, Overrides, Resources, connections, idempotency,
    limits::{self, Counting},
    log_level,
    metrics::{self as measured, Measured},
    options,
};
use crate::{
    config::Framework,
    console::{self, Console},
    metrics::{self, Meter, Registry, TraceExport},
    telemetry::Telemetry,
    traces::Exporter,
    why::{self, Recorder},
};

/// The edges of a service, not yet listening.
pub(crate) struct Prepared {
    pub(crate) edge: Arc<Edge>,
    pub(crate) ops_edge: Edge,
    pub(crate) matrix: Matrix,
    pub(super) readiness: ops::Readiness,
    pub(super) counting: Counting,
    pub(super) measured: Measured,
    pub(super) metrics: metrics::Published,
    pub(super) console: Console,
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
    let refusals = Arc::new(Refusals::new(counting.limiter(), resources.clock.clone()));
    let watching =
        Watching::of::<A>(framework, resources, telemetry, Console::new(refusals.clone()));
    let is_observed = !overrides.unobserved;
    let parts = EdgeParts {
        limiter: refusals,
        authenticator,
        idempotency: Some(Arc::new(idempotency::store(resources))),
        log: Arc::new(Listeners(if is_observed { watching.listeners() } else { Vec::new() })),
        clock: resources.clock.clone(),
    };
    let mut edge_options = options::edge::<A>(framework);
    edge_options.breach = overrides.strict.unwrap_or(Breach::Report);
    edge_options.observer = overrides.observer;
    edge_options.records_steps =
        is_observed && (framework.why.bytes > 0 || watching.exporter.is_some());
    let sampler = edge_options.sampler.clone();
    let described = Arc::new(OnceLock::new());
    let edge = edge
        .mount(openapi::routes(described.clone()))
        .build(edge_options.clone(), parts.clone())
        .map_err(|errors| contradiction(&errors))?;
    let edge = Arc::new(edge);
    let Watching { log, meter, recorder, exporter, console } = watching;
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
        .mount(connections::routes(resources.database.clone()))
        .mount(log_level::routes(telemetry.levels()))
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

/// What watches requests.
struct Watching {
    log: Arc<dyn RequestLog>,
    meter: Arc<Meter>,
    recorder: Arc<Recorder>,
    exporter: Option<Exporter>,
    console: Console,
}

impl Watching {
    fn of<A: Application>(
        framework: &Framework,
        resources: &Resources,
        telemetry: &Telemetry,
        console: Console,
    ) -> Self {
        let (bytes, now) = (framework.why.bytes, resources.clock.now());
        Self {
            log: telemetry.request_log(),
            meter: Arc::new(Meter::new()),
            recorder: Arc::new(Recorder::new(bytes, A::NAME, A::VERSION, now)),
            exporter: Exporter::new(&framework.traces, resources.database.engine()),
            console,
        }
    }

    /// All of them, in the order in which they get the line of a request.
    fn listeners(&self) -> Vec<Arc<dyn RequestLog>> {
        let tail = self.console.tail();
        let mut listeners: Vec<Arc<dyn RequestLog>> =
            vec![self.meter.clone(), self.recorder.clone(), self.log.clone(), tail];
        if let Some(exporter) = &self.exporter {
            listeners.push(Arc::new(exporter.clone()));
        }
        listeners
    }
}

/// Everybody who wants the line of each request.
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

fn invalid_evidence(invalid: &discipline::InvalidEvidence) -> Failure {
    let fix = "write it again with `check --evidence FOLDER`";
    Failure::new("the evidence of the service cannot be read", invalid.to_string(), fix)
}

fn contradiction(errors: &mainstay_web::edge::BuildErrors) -> Failure {
    Failure::new("the service contradicts itself", errors.to_string(), "change the route tables")
}
