//! What probes are told.

use std::borrow::Cow;

use axum::response::{IntoResponse as _, Response};
use mainstay_core::{Code, Fault, FaultSet, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Json, Problem, codes,
    endpoint::{Operation, Respond},
};

/// What a healthy probe answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    /// Always `ok`; anything else is a problem document.
    pub(super) status: &'static str,
    /// Each dependency, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checks: Option<Vec<Dependency>>,
}

impl Status {
    pub(super) const OK: Self = Self { status: "ok", checks: None };
}

/// What is known about one dependency.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Dependency {
    /// As the service calls it: `database`.
    pub(super) name: &'static str,
    /// What it counts as.
    pub(super) state: State,
    /// When that began.
    pub(super) since: Timestamp,
    /// Answers in a row that say otherwise; too few yet to change the state.
    pub(super) contradictions: u32,
    /// Absent while there was none. It stays after the dependency is back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<LastError>,
}

/// What a dependency counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It has not answered yet.
    Unknown,
    /// It works.
    Ready,
    /// It does not.
    NotReady,
}

/// How a check failed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct LastError {
    /// When.
    pub(super) at: Timestamp,
    /// In words, for operators.
    pub(super) why: String,
}

/// Names the first dependency that is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready: {0}")]
pub(super) struct NotReady(pub(super) &'static str);

impl Fault for NotReady {
    fn code(&self) -> Code {
        codes::NOT_READY
    }

    fn detail(&self) -> Cow<'static, str> {
        self.0.into()
    }
}

impl FaultSet for NotReady {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(codes::NOT_READY);
    }
}

/// Readiness, with what it is made of if that was asked for.
pub(super) struct Report {
    pub(super) ready: Result<(), NotReady>,
    pub(super) checks: Option<Vec<Dependency>>,
}

impl Respond for Report {
    fn describe(operation: &mut Operation) {
        Result::<Json<Status>, NotReady>::describe(operation);
    }

    fn respond(self) -> Response {
        match self.ready {
            Ok(()) => Json(Status { checks: self.checks, ..Status::OK }).respond(),
            Err(fault) => {
                let problem = Problem::from_fault(&fault);
                // Names, times and texts become JSON without fail.
                let checks = self.checks.and_then(|checks| serde_json::to_value(checks).ok());
                match checks {
                    Some(checks) => problem.with_member("checks", checks),
                    None => problem,
                }
                .into_response()
            }
        }
    }
}
