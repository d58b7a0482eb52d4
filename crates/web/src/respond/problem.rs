//! `Problem`: the one shape of everything that goes wrong (RFC 9457), and the only place it is
//! made.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use mainstay_core::{Code, Fault, FieldProblem};
use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::codes;

/// Where the error catalogue is, relative to the service; `type` is this plus the code's name.
const CATALOGUE: &str = "/docs#";

/// An answer that is an error: what the client is told, and privately why.
///
/// The body is written by the edge, which knows the request id.
#[derive(Clone)]
pub struct Problem(Arc<Inner>);

/// Beside an answer that has the problem's body already: it belongs to another request, too.
#[derive(Clone)]
pub(crate) struct Rendered(pub(crate) Problem);

#[derive(Clone)]
struct Inner {
    code: Code,
    detail: Option<Cow<'static, str>>,
    fields: Vec<FieldProblem>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// An extension member (RFC 9457 section 3.2).
    member: Option<(&'static str, serde_json::Value)>,
    /// For the request line only.
    cause: Option<Arc<str>>,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code) -> Self {
        Self(Arc::new(Inner {
            code,
            detail: None,
            fields: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            member: None,
            cause: None,
        }))
    }

    /// The problem a fault stands for. Its error chain becomes the private cause when the answer is
    /// a 5xx; a 4xx needs no cause beside its code.
    pub fn from_fault(fault: &dyn Fault) -> Self {
        let code = fault.code();
        let status = codes::status(code.kind);
        // What went wrong inside is nobody's business outside.
        let detail = (status != StatusCode::INTERNAL_SERVER_ERROR).then(|| fault.detail());
        let cause = status.is_server_error().then(|| chain(fault));
        Self(Arc::new(Inner {
            code,
            detail,
            fields: fault.fields().to_vec(),
            retry_after: fault.retry_after(),
            headers: Vec::new(),
            member: None,
            cause,
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds a sentence for people. It must not contain request data.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.change(|inner| inner.detail = Some(detail.into()))
    }

    /// Lists the inputs at fault.
    #[must_use]
    pub fn with_fields(self, fields: Vec<FieldProblem>) -> Self {
        self.change(|inner| inner.fields = fields)
    }

    /// Says when trying again may help.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.change(|inner| inner.retry_after = Some(wait))
    }

    /// Adds a header that the status asks for.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|inner| inner.headers.push((name, value)))
    }

    /// Adds a member that is not one of every problem.
    #[must_use]
    pub(crate) fn with_member(self, name: &'static str, value: serde_json::Value) -> Self {
        self.change(|inner| inner.member = Some((name, value)))
    }

    /// Adds the private cause, for the request line.
    #[must_use]
    pub fn caused_by(self, cause: impl fmt::Display) -> Self {
        self.change(|inner| inner.cause = Some(cause.to_string().into()))
    }

    /// The code clients branch on.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        codes::status(self.0.code.kind)
    }

    /// Whether waiting may help.
    pub(crate) fn invites_to_try_again(&self) -> bool {
        self.0.retry_after.is_some()
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The whole answer, in the name of a request.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let status = self.status();
        let inner = &*self.0;
        let mut bytes = Vec::with_capacity(384);
        let document = Document {
            r#type: Catalogue(inner.code),
            title: inner.code.meaning,
            status: status.as_u16(),
            code: inner.code.name,
            detail: inner.detail.as_deref(),
            request_id,
            errors: Fields(&inner.fields),
            retry_after_ms: inner.retry_after.map(|wait| wait.as_millis() as u64),
        };
        // Serialising strings and numbers into memory cannot fail.
        let _ = serde_json::to_writer(&mut bytes, &document);
        if let Some((name, value)) = &inner.member {
            // The document is an object with members, which ends with a brace.
            bytes.pop();
            bytes.extend_from_slice(format!(",\"{name}\":{value}}}").as_bytes());
        }
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(inner.headers.iter().cloned());
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 15.5.2: a 401 names the scheme that would work.
            headers.entry(header::WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
        }
        let waits =
            matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        if let Some(wait) = inner.retry_after.or(waits.then_some(Duration::from_secs(1))) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        response
    }
}

/// `Retry-After` counts whole seconds; rounded up, so that nobody comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// `error: source: source`, each once.
fn chain(error: &dyn Error) -> Arc<str> {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        // A transparent wrapper repeats what it wraps.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = inner.source();
    }
    text.into()
}

impl IntoResponse for Problem {
    /// A response without a body yet: the edge finds the problem in its extensions.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Problem").field(&self.0.code).finish()
    }
}

/// The members of RFC 9457 section 3.1, then ours.
#[derive(Serialize)]
struct Document<'a> {
    r#type: Catalogue,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Fields::is_empty")]
    errors: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

struct Catalogue(Code);

impl Serialize for Catalogue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{CATALOGUE}{}", self.0.name))
    }
}

struct Fields<'a>(&'a [FieldProblem]);

impl Fields<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for problem in self.0 {
            list.serialize_element(&Field {
                r#in: problem.location.as_str(),
                pointer: &problem.pointer,
                code: problem.code,
                message: &problem.message,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Field<'a> {
    r#in: &'a str,
    pointer: &'a str,
    code: &'a str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Disk;

    #[derive(Debug, thiserror::Error)]
    enum Store {
        #[error(transparent)]
        Disk(#[from] Disk),
        #[error("the row was not written")]
        Write(#[source] Disk),
    }

    #[test]
    fn a_cause_says_everything_once() {
        assert_eq!(&*chain(&Store::Disk(Disk)), "the disk is full");
        assert_eq!(&*chain(&Store::Write(Disk)), "the row was not written: the disk is full");
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early() {
        for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds, "{wait} ms");
        }
    }
}
