//! `IfMatch` and `RequireIfMatch`: the version a caller believes a resource has (RFC 9110 section
//! 13.1.1), where it may be named and where it must be (RFC 6585 section 3).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header::IF_MATCH, request::Parts},
};
use mainstay_core::{FieldProblem, Location, Precondition};
use serde_json::json;

use super::invalid;
use crate::{
    codes,
    endpoint::{Describe, Operation, Parameter},
    respond::Problem,
};

/// The longest list of tags taken, in bytes. Taste: dozens of versions of ours, and nobody names
/// more than one.
const LENGTH_MAX: usize = 1024;

/// The condition in `If-Match`.
///
/// Whether it holds is for the service to say: it answers `PRECONDITION_FAILED` in its own error.
/// A tag this service never gave out matches nothing, so the condition fails rather than the parse.
#[derive(Clone, Debug)]
pub struct IfMatch(pub Precondition);

impl Describe for IfMatch {
    fn describe(operation: &mut Operation) {
        describe(operation, false);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.headers).map(Self)
    }
}

/// The condition in `If-Match`, which is not [`Precondition::Absent`]: a request without one is
/// answered `PRECONDITION_REQUIRED`. For `PUT`, which replaces also what its sender never saw.
#[derive(Clone, Debug)]
pub struct RequireIfMatch(pub Precondition);

impl Describe for RequireIfMatch {
    fn describe(operation: &mut Operation) {
        describe(operation, true);
        operation.may_answer(codes::PRECONDITION_REQUIRED);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequireIfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match read(&parts.headers)? {
            Precondition::Absent => Err(Problem::new(codes::PRECONDITION_REQUIRED)),
            named => Ok(Self(named)),
        }
    }
}

fn describe(operation: &mut Operation, required: bool) {
    operation.takes_parameter(Parameter {
        name: "if-match".to_owned(),
        location: Location::Header,
        required,
        schema: json!({
            "type": "string",
            "maxLength": LENGTH_MAX,
            "description": "The ETag the resource must still have, or `*`.",
        }),
    });
    operation.may_answer(codes::VALIDATION_FAILED);
    operation.may_answer(codes::PRECONDITION_FAILED);
}

fn read(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let values = || headers.get_all(IF_MATCH).iter();
    if values().next().is_none() {
        return Ok(Precondition::Absent);
    }
    // Repeated lines are one list (RFC 9110 section 5.3).
    if values().map(HeaderValue::len).sum::<usize>() > LENGTH_MAX {
        return Err(too_long());
    }
    let mut versions = Vec::new();
    for value in values() {
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return Ok(Precondition::Exists);
            }
            // Weak tags never match here: the comparison must be strong.
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            versions.extend(version.and_then(parsed));
        }
    }
    Ok(Precondition::OneOf(versions))
}

fn too_long() -> Problem {
    let message = format!("must have at most {LENGTH_MAX} characters");
    invalid(vec![FieldProblem::body("/if-match", "too_long", message).at(Location::Header)])
}

/// A version exactly as an `ETag` of ours says it: tags are equal character by character, so `007`
/// is not 7.
fn parsed(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|version| version.to_string() == text)
}
