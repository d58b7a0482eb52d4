//! `If-None-Match` on reads: a 304 instead of a body the client has (RFC 9110 section 13.1.2).

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};

/// The tags a reader already has.
pub(super) struct IfNoneMatch(Vec<HeaderValue>);

impl IfNoneMatch {
    pub(super) fn of(request: &Request) -> Self {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let values = request.headers().get_all(header::IF_NONE_MATCH).iter();
        Self(values.filter(|_| reads).cloned().collect())
    }

    /// Replaces a successful answer by 304 when its `ETag` is among the tags.
    pub(super) fn apply(self, mut response: Response) -> Response {
        if self.0.is_empty() || response.status() != StatusCode::OK {
            return response;
        }
        let Some(tag) = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok())
        else {
            return response;
        };
        let known = self.0.iter().filter_map(|value| value.to_str().ok()).any(|list| {
            // The comparison for reads is weak.
            list.split(',')
                .map(str::trim)
                .any(|candidate| candidate == "*" || opaque(candidate) == opaque(tag))
        });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        response
    }
}

/// A tag without the mark of a weak one.
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
