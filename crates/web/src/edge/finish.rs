//! What every answer gets: the problem's body, ids, limits, the headers of a careful API.

use std::sync::atomic::Ordering;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
    response::Response,
};

use super::{Breach, Edge, arrival::X_REQUEST_ID, line::Line};
use crate::{
    codes,
    endpoint::Settled,
    extract::Transport,
    respond::{Problem, Rendered},
    security::observe_refusal,
};

const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The security headers of OWASP's REST cheat sheet.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    // Cross-origin pages that may read an answer do so by CORS, which this leaves alone.
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Places in the index of an answer's map for everything the edge and a handler add, so that it is
/// never made anew.
const HEADERS_MAX: usize = 24;

/// The headers of every answer, in a map to copy.
pub(super) fn standing_headers(transport_security: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS_MAX);
    headers.extend(SECURITY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(transport_security.map(|v| (header::STRICT_TRANSPORT_SECURITY, v.clone())));
    headers
}

/// What the end of a request needs from its beginning.
pub(super) struct Finish {
    origin: Option<HeaderValue>,
    version: Version,
}

impl Finish {
    pub(super) fn begin(edge: &Edge, request: &Request) -> Self {
        let cors = &edge.options.cors;
        let origin = if cors.origins.is_empty() { None } else { cors.origin(request.headers()) };
        Self { origin, version: request.version() }
    }

    /// Completes the answer and writes the request line.
    pub(super) fn end(self, edge: &Edge, mut line: Line<'_>, mut response: Response) -> Response {
        let rendered = response.extensions_mut().remove::<Rendered>();
        let has_body = rendered.is_some();
        let problem = match rendered {
            Some(Rendered(problem)) => Some(problem),
            None => response.extensions_mut().remove::<Problem>(),
        };
        let problem = match &line.endpoint {
            // What has its body has been held against the contract before it was kept.
            Some(endpoint) if !has_body => edge.hold_to_contract(endpoint, &response, problem),
            _ => problem,
        };
        if let Some(problem) = &problem {
            edge.observe(&line, problem);
            if let Some(context) = &line.context {
                observe_refusal(context, problem.code());
            }
            if !has_body {
                response = problem.render(line.arrival.journal.id().as_str());
            }
            if self.version < Version::HTTP_2 && line.has_unread_body() {
                // The rest of the body is not worth reading, so the connection ends here.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
        }
        let status = response.status();
        let headers = response.headers_mut();
        // Copying the map is cheaper than inserting its entries. The answer's own headers replace
        // those of the same name: a page may bring a policy of its own.
        let own = std::mem::replace(headers, edge.standing.clone());
        if problem.is_none() && (status.is_success() || status == StatusCode::NOT_MODIFIED) {
            let cache = line.endpoint.as_ref().and_then(|endpoint| endpoint.cache.as_ref());
            if let Some(cache) = cache {
                headers.insert(header::CACHE_CONTROL, cache.clone());
            }
        }
        headers.extend(own);
        if line.endpoint.as_ref().is_some_and(|endpoint| endpoint.varies_by_caller) {
            // Whoever signs in next at the same browser must not be shown the last one's answer.
            headers.append(header::VARY, credential_header(edge.options.transport));
        }
        edge.options.cors.decorate(self.origin, edge.options.transport, headers);
        if let Some(rate) = line.rate.take() {
            rate.write(headers);
        }
        if let Ok(id) = HeaderValue::from_bytes(line.arrival.journal.id().as_bytes()) {
            headers.insert(X_REQUEST_ID, id);
        }
        if let Ok(trace) = HeaderValue::from_bytes(&line.arrival.journal.trace().traceparent()) {
            headers.insert(TRACERESPONSE, trace);
        }
        line.end(&response, problem.as_ref());
        response
    }
}

/// What a credential comes in. A bearer token is taken beside a cookie as well.
fn credential_header(transport: Transport) -> HeaderValue {
    HeaderValue::from_static(match transport {
        Transport::Bearer => "authorization",
        Transport::Cookie => "authorization, cookie",
    })
}

/// What of an answer the endpoint has not declared.
pub(super) fn breach(
    endpoint: &Settled,
    response: &Response,
    problem: Option<&Problem>,
) -> Option<&'static str> {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    match problem {
        _ if endpoint.raw.is_some() => None,
        Some(problem) if endpoint.declares(problem.code()) => None,
        Some(problem) => Some(problem.code().name),
        None => is_refusal.then_some("an answer that is no problem document"),
    }
}

impl Edge {
    /// Holds an answer against the endpoint's closed set of codes.
    fn hold_to_contract(
        &self,
        endpoint: &Settled,
        response: &Response,
        problem: Option<Problem>,
    ) -> Option<Problem> {
        let Some(breach) = breach(endpoint, response, problem.as_ref()) else { return problem };
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
