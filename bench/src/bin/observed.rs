//! One endpoint that does nothing and leaves the steps of a usual read, watched as its argument
//! says: `none`, `on`, or `export=PORT` of a collector, and `,RATIO` if it is not the default.

use std::process::ExitCode;

use mainstay::{
    Application, Assembly, Instance, Overrides, Resources,
    config::{Framework, Loader, Sources},
    core::{Step, StepKind, Work},
    store::Migrations,
    telemetry::Telemetry,
    web::{Json, Routes, get},
};
use schemars::JsonSchema;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Observed;

impl Application for Observed {
    const NAME: &'static str = "observed";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Settings = ();

    fn settings(_: &mut Loader) {}

    fn migrations() -> Migrations {
        Migrations::new(&[])
    }

    fn assemble(_: &Resources, (): &()) -> Assembly {
        Assembly::new().mount(Routes::new("nothing", ()).add(get("/noop", noop).public()))
    }
}

#[derive(Serialize, JsonSchema)]
struct Pong {
    ok: bool,
}

/// Leaves what `GET /users/{id}` of the reference service does: two hits of caches, a statement
/// below the handler.
async fn noop() -> Json<Pong> {
    Step::note(StepKind::Cache, "sessions", "hit", None);
    Step::note(StepKind::Cache, "users", "hit", None);
    let step = Step::begin(StepKind::Sql, "SELECT id, name FROM users WHERE id = $1");
    let answer = Work::part_of(step.id(), std::future::ready(Pong { ok: true })).await;
    step.turn();
    step.end("ok", Some(1));
    Json(answer)
}

fn main() -> ExitCode {
    let how = std::env::args().nth(1).unwrap_or_default();
    let mut sources = Sources::of_process(None);
    if let Some(export) = how.strip_prefix("export=") {
        let (port, ratio) = export.split_once(',').unwrap_or((export, ""));
        let mut set =
            |name: &str, value: &str| sources.environment.push((name.to_owned(), value.to_owned()));
        set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{port}"));
        if !ratio.is_empty() {
            set("OTEL_TRACES_SAMPLER_ARG", ratio);
        }
    }
    let mut loader = Loader::new(sources);
    let framework = Framework::load(&mut loader);
    let effective = loader.finish().expect("the configuration is valid");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let telemetry = Telemetry::init(&framework.log, |tell| {
            mainstay::web::current(|request| tell(request.id(), request.trace()));
        })
        .expect("the log opens");
        let overrides = Overrides { unobserved: how == "none", ..Overrides::default() };
        let starting =
            Instance::start::<Observed>(&framework, &(), effective, &telemetry, overrides);
        let instance = starting.await.expect("it starts");
        let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("signals are there");
        asked.recv().await;
        instance.stop().await;
    });
    ExitCode::SUCCESS
}
