//! `GET /metrics`, for operators.

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use mainstay_web::{
    Cache, Routes, Use,
    endpoint::{Operation, Respond, ResponseSpec},
    get,
};

use super::{Format, Registry, accept::Wanted};

/// The registry. It has to say something about the listener that serves it, so it is put here when
/// that listens.
pub(crate) type Published = Arc<OnceLock<Registry>>;

/// The endpoint. Not for the API's listener: it shows how busy the service is, and with what.
pub(crate) fn routes(published: Published) -> Routes<Published> {
    let metrics = get("/metrics", metrics)
        .public()
        .unlimited("only operators reach this listener")
        .cache(Cache::NoStore)
        .summary("What the process counts about itself, for Prometheus");
    Routes::new("ops", published).add(metrics)
}

async fn metrics(published: Use<Published>, Wanted(format): Wanted) -> Exposition {
    let page = published.get().map(|registry| registry.scrape(format));
    Exposition { format, page: page.unwrap_or_default() }
}

/// A page in the format that was asked for.
struct Exposition {
    format: Format,
    page: String,
}

impl Respond for Exposition {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "The page, or OpenMetrics for who accepts that",
            body: Some((Format::Text.media_type(), serde_json::json!({ "type": "string" }))),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        let mut response = Response::new(Body::from(self.page));
        let media_type = HeaderValue::from_static(self.format.media_type());
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}
