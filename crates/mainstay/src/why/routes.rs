//! `/requests` for operators: what is known about requests that have ended.

use std::sync::Arc;

use mainstay_web::{Cache, Json, Path, Query, Routes, Use, get};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    error::NotKept,
    recorder::{Filter, Recorder},
    wire::{Kept, Records},
};

const OPERATORS: &str = "only operators reach this listener";

/// A request id or a trace id.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Id {
    /// That of a request, as in `x-request-id` and in problem documents, or that of a trace.
    // What a request id may be; the id of a trace is one as well.
    #[schemars(
        regex(pattern = "^[A-Za-z0-9._-]{1,128}$"),
        extend("x-pattern-message" = "must be 1 to 128 of A-Z, a-z, 0-9 and . _ -")
    )]
    id: String,
}

/// Which requests to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Why they were kept.
    kept: Option<Kept>,
    /// The template, as in the log: `/users/{id}`.
    #[schemars(length(min = 1, max = 256))]
    route: Option<String>,
    /// As in the log.
    #[schemars(length(min = 1, max = 16))]
    method: Option<String>,
    /// 499 for clients that went away.
    #[schemars(range(min = 100, max = 599))]
    status: Option<u16>,
    /// That of a problem.
    #[schemars(length(min = 1, max = 64))]
    code: Option<String>,
    /// How many at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 100))]
    limit: u32,
}

/// Taste: a screen.
const fn default_limit() -> u32 {
    20
}

/// The endpoints. Not for the API's listener: they show how the service is made.
pub(crate) fn routes(recorder: Arc<Recorder>) -> Routes<Arc<Recorder>> {
    let list = get("/requests", list)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("Requests that were kept, newest first");
    let find = get("/requests/{id}", find)
        .public()
        .unlimited(OPERATORS)
        .cache(Cache::NoStore)
        .summary("What is known about a request, or the requests of a trace, newest first");
    Routes::new("why", recorder).add(list).add(find)
}

async fn list(recorder: Use<Arc<Recorder>>, Query(list): Query<List>) -> Json<Records> {
    let filter = Filter {
        kept: list.kept,
        route: list.route.as_deref(),
        method: list.method.as_deref(),
        status: list.status,
        code: list.code.as_deref(),
    };
    Json(Records { records: recorder.list(&filter, list.limit as usize) })
}

async fn find(
    recorder: Use<Arc<Recorder>>,
    Path(Id { id }): Path<Id>,
) -> Result<Json<Records>, NotKept> {
    recorder.find(&id).map(|records| Json(Records { records }))
}
