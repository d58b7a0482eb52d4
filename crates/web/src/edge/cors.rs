//! Cross-origin calls from browsers: off, or for a list of origins
//! (<https://fetch.spec.whatwg.org>).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
};

use crate::extract::Transport;

/// The origins whose pages may call. There is no wildcard: a page that may use a person's
/// credential is named.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Exact origins: `https://app.example.com`.
    pub origins: Vec<HeaderValue>,
}

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, idempotent-replayed, location, ratelimit, ratelimit-policy, retry-after, x-request-id",
);
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, request-timeout, \
     traceparent, tracestate, x-request-id",
);

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Browsers ask again after this many seconds; Chromium caps it at two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

impl Cors {
    /// The request's origin when it is on the list.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.origins.iter().find(|known| *known == origin).cloned()
    }

    /// What every answer carries once any origin is allowed.
    pub(super) fn decorate(
        &self,
        origin: Option<HeaderValue>,
        transport: Transport,
        headers: &mut HeaderMap,
    ) {
        if self.origins.is_empty() {
            return;
        }
        // The answer depends on the header, so a shared cache must not mix origins.
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            if transport == Transport::Cookie {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
        }
    }

    /// Answers the question a browser asks before it calls.
    pub(super) fn preflight(&self, request: &Request, allow: &HeaderValue, out: &mut HeaderMap) {
        let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if asks && self.origin(request.headers()).is_some() {
            out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            out.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}
