//! `GET /console/limits`: whom the limits have refused most.

use mainstay_web::{Json, Use};
use schemars::JsonSchema;
use serde::Serialize;

use super::Console;

/// What operators are told of refusals.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Limits {
    /// Most refusals first, of the last five to ten minutes.
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Refused {
    /// The limit that was used up.
    policy: String,
    /// A fingerprint of the client or principal; another one after a restart.
    key: String,
    /// How often, at most.
    count: u64,
    /// By how much that may be too high.
    excess: u64,
}

pub(super) async fn limits(console: Use<Console>) -> Json<Limits> {
    let refused = console.refusals.most().into_iter().map(|hot| Refused {
        policy: hot.policy,
        key: hot.key,
        count: hot.count,
        excess: hot.excess,
    });
    Json(Limits { refused: refused.collect() })
}
