//! `IfMatch`: the version a caller believes a resource has (RFC 9110 section 13.1.1).

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header::IF_MATCH, request::Parts},
};
use mainstay_core::{Location, Precondition};
use serde_json::json;

use crate::{
    codes,
    endpoint::{Describe, Operation, Parameter},
};

/// The condition in `If-Match`.
///
/// Whether it holds is for the service to say: it answers `PRECONDITION_FAILED` in its own error.
/// A tag this service never gave out matches nothing, so the condition fails rather than the parse.
#[derive(Clone, Debug)]
pub struct IfMatch(pub Precondition);

impl Describe for IfMatch {
    fn describe(operation: &mut Operation) {
        operation.takes_parameter(Parameter {
            name: "if-match".to_owned(),
            location: Location::Header,
            required: false,
            schema: json!({
                "type": "string",
                "description": "The ETag the resource must still have, or `*`.",
            }),
        });
        operation.may_answer(codes::PRECONDITION_FAILED);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut values = parts.headers.get_all(IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self(Precondition::Absent));
        }
        let mut versions = Vec::new();
        for value in values {
            for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
                if tag == "*" {
                    return Ok(Self(Precondition::Absent));
                }
                // Weak tags never match here: the comparison must be strong.
                let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                versions.extend(version.and_then(parsed));
            }
        }
        Ok(Self(Precondition::OneOf(versions)))
    }
}

/// A version exactly as an `ETag` of ours says it: tags are equal character by character, so `007`
/// is not 7.
fn parsed(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|version| version.to_string() == text)
}
