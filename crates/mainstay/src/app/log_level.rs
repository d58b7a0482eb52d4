//! `/loglevel` for operators: which events are logged, changed while the process runs.

use std::borrow::Cow;

use mainstay_core::{Code, Fault, FaultSet, FieldProblem, SecurityEvent, SecurityRecord};
use mainstay_web::{Body, Cache, Json, Repeat, Routes, Use, codes, delete, get, put, security};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{Directives, Value as _},
    telemetry::Levels,
};

const OPERATORS: &str = "only operators reach this listener";

/// Directives have 1,024 characters at most; with every one of them escaped this is enough.
const BODY_BYTES_MAX: usize = 8 << 10;

/// What decides, and what did at the start.
#[derive(Debug, Serialize, JsonSchema)]
struct InEffect {
    /// What decides now.
    directives: String,
    /// What decided at the start, and does again after `DELETE`.
    configured: String,
}

/// What shall decide.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// As in `RUST_LOG`: `info,hyper=debug`.
    #[schemars(length(min = 1, max = 1024))]
    directives: String,
}

/// What was sent is no list of directives.
#[derive(Debug, thiserror::Error)]
#[error("not a list of log directives")]
struct NotDirectives([FieldProblem; 1]);

impl Fault for NotDirectives {
    fn code(&self) -> Code {
        codes::VALIDATION_FAILED
    }

    fn detail(&self) -> Cow<'static, str> {
        "the directives cannot be read".into()
    }

    fn fields(&self) -> &[FieldProblem] {
        &self.0
    }
}

impl FaultSet for NotDirectives {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(codes::VALIDATION_FAILED);
    }
}

pub(super) fn routes(levels: Levels) -> Routes<Levels> {
    let show = get("/loglevel", show_log_level)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("Which events are logged");
    let change = put("/loglevel", change_log_level)
        .public()
        .unlimited(OPERATORS)
        .body_bytes_max(BODY_BYTES_MAX)
        .on_repeat(Repeat::NoEffect("one value for the process, and its last writer is right"))
        .summary("Log other events until the process ends");
    let restore = delete("/loglevel", restore_log_level)
        .public()
        .unlimited(OPERATORS)
        .summary("Log the configured events again");
    Routes::new("ops", levels).add(show).add(change).add(restore)
}

async fn show_log_level(levels: Use<Levels>) -> Json<InEffect> {
    shown(&levels)
}

async fn change_log_level(
    levels: Use<Levels>,
    Body(change): Body<Change>,
) -> Result<Json<InEffect>, NotDirectives> {
    let directives = Directives::parse(&change.directives)
        .map_err(|why| NotDirectives([FieldProblem::body("/directives", "not_directives", why)]))?;
    announce(&levels, &directives.0.to_string());
    levels.set(&directives);
    Ok(shown(&levels))
}

async fn restore_log_level(levels: Use<Levels>) -> Json<InEffect> {
    announce(&levels, &levels.get().configured);
    levels.reset();
    shown(&levels)
}

fn shown(levels: &Levels) -> Json<InEffect> {
    let now = levels.get();
    Json(InEffect { directives: now.directives, configured: now.configured })
}

/// Tells before it happens: afterwards the log may be silent.
fn announce(levels: &Levels, to: &str) {
    let from = levels.get().directives;
    security::record(SecurityRecord::new(SecurityEvent::AdministratorActed));
    tracing::warn!(from, to, "log level changed");
}
