//! `Response`: what another service has answered, whole.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};

use super::{CallError, error::Origin, trouble::Said};

/// The longest code of a problem that is believed. Our own have at most half of that.
const CODE_LENGTH_MAX: usize = 64;

/// An answer, its body included.
pub struct Response {
    origin: Origin,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    code: Option<String>,
}

impl Response {
    pub(super) fn new(
        origin: &Origin,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        let code = problem_code(&headers, &body);
        Self { origin: origin.clone(), status, headers, body, code }
    }

    /// From 200 to 499.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers, as they came.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body, as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The code of the problem, if the body is a problem document that has one: `USER_NOT_FOUND`.
    /// That is what to branch on.
    pub fn problem(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The body of a success. Any other status is an error here: look at it before where it is
    /// expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        if !self.status.is_success() {
            return Err(CallError::unexpected(&self.origin, self.said()));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| CallError::unreadable(&self.origin, InvalidJson::from(&error)))
    }

    pub(super) fn said(&self) -> Said {
        Said::new(self.status, &self.headers, self.problem())
    }
}

impl fmt::Debug for Response {
    /// Without what is in it, which may be anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Where JSON is not what was expected. What `serde_json` says of it quotes the value.
#[derive(Debug, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
struct InvalidJson {
    what: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for InvalidJson {
    fn from(error: &serde_json::Error) -> Self {
        let what = if error.is_data() { "another type" } else { "no JSON" };
        Self { what, line: error.line(), column: error.column() }
    }
}

/// A text of another service gets into our log only if it has the form of a code.
fn problem_code(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let media_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = media_type.split(';').next()?.trim();
    if !essence.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    let Problem { code } = serde_json::from_slice(body).ok()?;
    let has_form = (1..=CODE_LENGTH_MAX).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    has_form.then_some(code)
}
