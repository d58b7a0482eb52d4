//! What is told of a request, by the operators' endpoints and to the command `why`.

use std::borrow::Cow;

use mainstay_core::Recorded;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name from the source of whoever tells.
type Name = Cow<'static, str>;

/// Requests that were kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Records {
    /// Newest first.
    pub(crate) records: Vec<Record>,
}

/// Why a request was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Kept {
    // Doc comments here would turn the schema's `enum` into a `oneOf`.
    Failure,
    Refusal,
    Slow,
    #[default]
    Sample,
}

/// A request that has ended. The members up to `cause` are those of its line in the log, from which
/// it can be read as well; such a line lacks the others.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Record {
    /// When it arrived: RFC 3339, UTC, milliseconds.
    pub(crate) time: String,
    /// The caller's, or generated.
    pub(crate) id: String,
    /// Shared by every service that the trace passes.
    pub(crate) trace_id: String,
    /// This service's span.
    pub(crate) span_id: String,
    /// The caller's span, when the trace came from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<String>,
    /// Who asked, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// That of the route; `edge` when none was matched.
    pub(crate) module: Name,
    /// `OTHER` for one that the service does not know.
    pub(crate) method: Name,
    /// The template; `-` when none was matched.
    pub(crate) route: Name,
    /// 499 when the client went away first.
    pub(crate) status: u16,
    /// From the head's arrival to the answer's.
    pub(crate) ms: f64,
    /// Bytes of body, announced or read.
    pub(crate) bytes_in: u64,
    /// Bytes of the answer's body.
    pub(crate) bytes_out: u64,
    /// Of a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<Name>,
    /// What the code means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) meaning: Option<Name>,
    /// The answer is that to an earlier request with the same `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) replayed: bool,
    /// Why, for a 5xx: as in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Name and version of the service.
    #[serde(default)]
    pub(crate) release: String,
    /// The process.
    #[serde(default)]
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) kept: Kept,
    /// What was done for it, in the order in which it began.
    #[serde(default)]
    pub(crate) steps: Vec<Stage>,
    /// Steps that there was no room for.
    #[serde(default)]
    pub(crate) omitted: u32,
}

/// A step of a request. Times are in milliseconds, with three decimals.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stage {
    /// What it is: `sql`, `cache`, `handler` and so on.
    pub(crate) kind: Name,
    /// From the source: the text of a statement, the name of a limit.
    pub(crate) name: Name,
    /// The place in the list of the step that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<usize>,
    /// When it began, from the beginning of the request.
    pub(crate) at_ms: f64,
    /// How much of it was waiting for a turn.
    pub(crate) waited_ms: f64,
    /// How long it took, waiting included; null if it had not ended.
    pub(crate) ms: Option<f64>,
    /// What came of it, in a word.
    pub(crate) outcome: Name,
    /// Whether that was a failure.
    pub(crate) failed: bool,
    /// What there is to count, by the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<i64>,
}

impl From<&Recorded> for Stage {
    fn from(step: &Recorded) -> Self {
        Self {
            kind: step.kind.as_str().into(),
            name: step.name.into(),
            parent: step.parent.map(mainstay_core::StepId::index),
            at_ms: milliseconds(step.began),
            waited_ms: milliseconds(step.waited),
            ms: step.took.map(milliseconds),
            outcome: step.outcome.into(),
            failed: step.failed,
            number: step.number,
        }
    }
}

/// With three decimals, as the log has them.
pub(super) fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
