//! `GET /openapi.json` and `GET /docs`: the contract, served by the endpoints it describes.

use std::sync::{Arc, OnceLock};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use crate::{
    Edge, Problem, Routes, Use, codes,
    endpoint::{Operation, Respond, ResponseSpec, get},
};

/// The edge that serves a document is the one it describes, so it is put here once it is built.
type Described = Arc<OnceLock<Arc<Edge>>>;

/// The two endpoints. Fill `edge` once the edge that they are mounted on is built.
pub fn routes(edge: Described) -> Routes<Described> {
    Routes::new("docs", edge)
        .add(get("/openapi.json", openapi).public().summary("The contract, as OpenAPI 3.1"))
        .add(get("/docs", page).public().summary("The contract, for people"))
}

async fn openapi(edge: Use<Described>) -> Static<OpenApi> {
    Static::new(edge.get().map(|edge| edge.document().json().clone()))
}

async fn page(edge: Use<Described>) -> Static<Html> {
    Static::new(edge.get().map(|edge| edge.document().page().clone()))
}

trait Media {
    const TYPE: &'static str;
    /// Replaces the edge's policy where the answer is looked at in a browser.
    const CONTENT_SECURITY_POLICY: Option<&'static str> = None;
}

struct OpenApi;

impl Media for OpenApi {
    const TYPE: &'static str = "application/json";
}

struct Html;

impl Media for Html {
    const TYPE: &'static str = "text/html; charset=utf-8";
    const CONTENT_SECURITY_POLICY: Option<&'static str> = Some(concat!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; ",
        "form-action 'none'; frame-ancestors 'none'",
    ));
}

/// Bytes that were rendered at start-up.
struct Static<M>(Option<Bytes>, std::marker::PhantomData<M>);

impl<M> Static<M> {
    fn new(bytes: Option<Bytes>) -> Self {
        Self(bytes, std::marker::PhantomData)
    }
}

impl<M: Media> Respond for Static<M> {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "The document",
            body: Some((M::TYPE, serde_json::json!({}))),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        let Some(bytes) = self.0 else {
            return Problem::new(codes::INTERNAL)
                .caused_by("the edge has not been handed its own document")
                .into_response();
        };
        let mut response = Response::new(Body::from(bytes));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(M::TYPE));
        if let Some(policy) = M::CONTENT_SECURITY_POLICY {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        response
    }
}
