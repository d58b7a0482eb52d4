//! The endpoints for operators, on a listener of their own: `/livez`, `/readyz`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mainstay_core::{Code, Fault, FaultSet, Health, HealthCheck};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Cache, Endpoint, Json, Routes, Use, codes, endpoint::Decided, get};

/// A dependency that has not answered within this time is not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the service should get traffic.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    checks: Vec<Arc<dyn HealthCheck>>,
    draining: AtomicBool,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Readiness({} checks)", self.0.checks.len())
    }
}

impl Readiness {
    /// Ready while every check says so.
    pub fn new(checks: Vec<Arc<dyn HealthCheck>>) -> Self {
        Self(Arc::new(Inner { checks, draining: AtomicBool::new(false) }))
    }

    /// From now on: not ready. Cannot be taken back.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Looks now; the first thing that is not ready decides.
    async fn judge(&self) -> Result<(), NotReady> {
        if self.0.draining.load(Ordering::Acquire) {
            return Err(NotReady("draining"));
        }
        for check in &self.0.checks {
            match tokio::time::timeout(CHECK_TIMEOUT, check.check()).await {
                Ok(Health::Ready) => {}
                Ok(Health::Unready(why)) => {
                    tracing::warn!(check = check.name(), why, "not ready");
                    return Err(NotReady(check.name()));
                }
                Err(_) => return Err(NotReady(check.name())),
            }
        }
        Ok(())
    }
}

/// Names the first dependency that is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready: {0}")]
struct NotReady(&'static str);

impl Fault for NotReady {
    fn code(&self) -> Code {
        codes::NOT_READY
    }

    fn detail(&self) -> std::borrow::Cow<'static, str> {
        self.0.into()
    }
}

impl FaultSet for NotReady {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(codes::NOT_READY);
    }
}

/// What a healthy probe answers.
#[derive(Debug, Serialize, JsonSchema)]
struct Status {
    /// Always `ok`; anything else is a problem document.
    status: &'static str,
}

/// The operators' endpoints.
pub fn routes(readiness: Readiness) -> Routes<Readiness> {
    Routes::new("ops", readiness)
        .add(probe(get("/livez", livez)).summary("The process runs"))
        .add(probe(get("/readyz", readyz)).summary("The service takes traffic"))
}

fn probe(endpoint: Endpoint<Readiness>) -> Endpoint<Readiness, Decided> {
    endpoint.public().unlimited("probes come from the platform").cache(Cache::NoStore)
}

/// Liveness looks at nothing but the process: a dead database is no reason to restart.
async fn livez(_: Use<Readiness>) -> Json<Status> {
    Json(Status { status: "ok" })
}

async fn readyz(readiness: Use<Readiness>) -> Result<Json<Status>, NotReady> {
    readiness.judge().await?;
    Ok(Json(Status { status: "ok" }))
}
