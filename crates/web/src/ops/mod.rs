//! The endpoints for operators, on a listener of their own: `/livez`, `/readyz`, `/startupz`.

mod readiness;
mod report;

use mainstay_core::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::readiness::{Readiness, Watch};
use self::report::{NotReady, Report, Status};
use crate::{Cache, Endpoint, Json, Query, Routes, Use, edge::Gate, endpoint::Decided, get};

/// What a platform asks, which has no token.
const PROBES: &[&str] = &["/livez", "/readyz", "/startupz"];

/// Asks for a token at everything but the probes, and what else is as open.
pub fn gate(token: &Secret<String>, also_open: Vec<String>) -> Gate {
    let probes = PROBES.iter().map(|path| (*path).to_owned());
    Gate::new(token, probes.chain(also_open).collect())
}

/// The operators' endpoints.
pub fn routes(readiness: Readiness) -> Routes<Readiness> {
    Routes::new("ops", readiness)
        .add(probe(get("/livez", livez)).summary("The process runs"))
        .add(probe(get("/readyz", readyz)).summary("The service takes traffic"))
        .add(probe(get("/startupz", startupz)).summary("The service has taken traffic before"))
}

fn probe(endpoint: Endpoint<Readiness>) -> Endpoint<Readiness, Decided> {
    endpoint.public().unlimited("probes come from the platform").cache(Cache::NoStore)
}

/// Liveness looks at nothing but the process: a dead database is no reason to restart.
async fn livez(_: Use<Readiness>) -> Json<Status> {
    Json(Status::OK)
}

/// How much a probe wants to know.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Probe {
    /// If it is there, each dependency is described.
    #[schemars(length(max = 5))]
    verbose: Option<String>,
}

async fn readyz(readiness: Use<Readiness>, Query(probe): Query<Probe>) -> Report {
    Report {
        ready: readiness.judge(),
        checks: probe.verbose.is_some().then(|| readiness.dependencies()),
    }
}

async fn startupz(readiness: Use<Readiness>) -> Result<Json<Status>, NotReady> {
    readiness.has_started().map(|()| Json(Status::OK))
}
