//! What every answer gets: the problem's body, ids, limits, the headers of a careful API.

use std::sync::atomic::Ordering;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Version, header},
    response::Response,
};

use super::{
    Breach, Edge,
    line::{Line, X_REQUEST_ID},
};
use crate::{codes, endpoint::Settled, respond::Problem};

const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The security headers of OWASP's REST cheat sheet.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// An answer has at most this many headers besides its own, so that the map grows once.
const HEADERS_ADDED: usize = 12;

/// What the end of a request needs from its beginning.
pub(super) struct Finish {
    origin: Option<HeaderValue>,
    version: Version,
}

impl Finish {
    pub(super) fn begin(edge: &Edge, request: &Request) -> Self {
        Self { origin: edge.options.cors.origin(request.headers()), version: request.version() }
    }

    /// Completes the answer and writes the request line.
    pub(super) fn end(self, edge: &Edge, mut line: Line<'_>, mut response: Response) -> Response {
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = match &line.endpoint {
            Some(endpoint) => edge.hold_to_contract(endpoint, &response, problem),
            None => problem,
        };
        if let Some(problem) = &problem {
            edge.observe(&line, problem);
            response = problem.render(line.id.as_str());
            if self.version < Version::HTTP_2 && line.has_unread_body() {
                // The rest of the body is not worth reading, so the connection ends here.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
        }
        let headers = response.headers_mut();
        headers.reserve(HEADERS_ADDED);
        edge.add_standing_headers(headers);
        edge.options.cors.decorate(self.origin, headers);
        if let Some(rate) = line.rate.take() {
            headers.insert(RATELIMIT_POLICY, rate.policy);
            headers.insert(RATELIMIT, rate.state);
        }
        if let Ok(id) = HeaderValue::from_str(line.id.as_str()) {
            headers.insert(X_REQUEST_ID, id);
        }
        if let Ok(trace) = HeaderValue::from_bytes(&line.trace.traceparent()) {
            headers.insert(TRACERESPONSE, trace);
        }
        line.end(&response, problem.as_ref());
        response
    }
}

impl Edge {
    fn add_standing_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in SECURITY {
            // A page may bring a policy of its own.
            headers.entry(name).or_insert(value);
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(value) = &self.options.transport_security {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value.clone());
        }
    }

    /// Holds an answer against the endpoint's closed set of codes.
    fn hold_to_contract(
        &self,
        endpoint: &Settled,
        response: &Response,
        problem: Option<Problem>,
    ) -> Option<Problem> {
        let status = response.status();
        let refusal = status.is_client_error() || status.is_server_error();
        let breach = match &problem {
            Some(problem) if endpoint.declares(problem.code()) => return Some(problem.clone()),
            Some(problem) => problem.code().name,
            None if refusal => "an answer that is no problem document",
            None => return None,
        };
        let text = format!("{endpoint:?} answered {breach}, which it has not declared");
        // Not inside the panic guard: a test must not be able to mistake this for an answer.
        assert!(self.options.breach == Breach::Report, "{text}");
        self.breaches.fetch_add(1, Ordering::Relaxed);
        tracing::error!(code = breach, endpoint = ?endpoint, "undeclared answer");
        Some(Problem::new(codes::INTERNAL).caused_by(text))
    }

    fn observe(&self, line: &Line<'_>, problem: &Problem) {
        if let Some(observer) = &self.options.observer {
            let (method, route) = match &line.endpoint {
                Some(endpoint) => (endpoint.method.as_str(), endpoint.path),
                None => ("-", "-"),
            };
            observer(method, route, problem.code());
        }
    }
}
