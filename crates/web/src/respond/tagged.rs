//! `Tagged`: an answer with the version of what it shows, as an `ETag`.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;

use crate::endpoint::{Operation, Respond, ResponseSpec};

/// Adds `ETag: "<version>"` to an answer. On `GET` the edge turns a matching `If-None-Match` into
/// 304.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<R> {
    version: i64,
    answer: R,
}

impl<R> Tagged<R> {
    /// `version` changes whenever the body would.
    pub fn new(version: i64, answer: R) -> Self {
        Self { version, answer }
    }
}

impl<R: Respond> Respond for Tagged<R> {
    fn describe(operation: &mut Operation) {
        let before = operation.responses.len();
        R::describe(operation);
        for response in &mut operation.responses[before..] {
            response.headers = match response.headers {
                [] => &[("etag", "The version of what the body shows")],
                // The only other header that a responder promises.
                _ => &[("location", "Where it is"), ("etag", "The version of what the body shows")],
            };
        }
    }

    fn respond(self) -> Response {
        let mut response = self.answer.respond();
        if response.status().is_success() {
            let tag = ["\"", itoa::Buffer::new().format(self.version), "\""].concat();
            // Digits in quotes are always a header value.
            if let Ok(tag) = HeaderValue::from_maybe_shared(Bytes::from(tag)) {
                response.headers_mut().insert(header::ETAG, tag);
            }
        }
        response
    }
}

impl ResponseSpec {
    /// Whether the answer carries an `ETag`, and so may be 304.
    pub(crate) fn is_tagged(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == "etag")
    }
}
