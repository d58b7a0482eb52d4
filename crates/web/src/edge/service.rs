//! The edge as what the server's connections call.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, Response, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{
    Edge,
    finish::Finish,
    line::{Line, OTHER},
};
use crate::{
    codes,
    respond::Problem,
    server::{Peer, Service},
};

impl Service for Edge {
    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        // Boxed at once, because hyper moves the future about and it is some 1.5 KiB.
        Box::pin(async move {
            let request = request.map(|body| {
                // Most requests have no body, and then none is worth a box.
                if body.is_end_stream() { Body::empty() } else { Body::new(body) }
            });
            self.handle(request, &peer).await
        })
    }

    fn refuse(&self, status: StatusCode, peer: Peer) -> Response<Bytes> {
        let code = match status {
            StatusCode::REQUEST_TIMEOUT => codes::REQUEST_TIMEOUT,
            StatusCode::URI_TOO_LONG => codes::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => codes::HEAD_TOO_LARGE,
            _ => codes::MALFORMED_REQUEST,
        };
        // Nothing of the head is known, so the line says only that somebody was refused.
        let unknown = Request::new(Body::empty());
        let mut line = Line::begin(self, &unknown, &peer);
        line.method = OTHER;
        let finish = Finish::begin(self, &unknown);
        let mut response = finish.end(self, line, Problem::new(code).into_response());
        // hyper, which dates all other answers, does not see this one (RFC 9110 section 6.6.1).
        let date = httpdate::fmt_http_date(self.parts.clock.now().into());
        response.headers_mut().extend(date.parse().ok().map(|date| (header::DATE, date)));
        response.map(|body| {
            // A problem's body is in memory, so it is there at once.
            let collected = futures_util::FutureExt::now_or_never(body.collect());
            collected
                .and_then(Result::ok)
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default()
        })
    }
}
