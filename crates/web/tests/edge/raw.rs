//! A router mounted as it is: the edge goes around it, and its answers are its own.

use std::sync::Arc;

use axum::{Router, body::Body, routing};
use http::Request;
use mainstay_web::{Edge, EdgeBuilder, openapi};

use crate::{
    answer::Answer,
    harness::{PEER, options, parts},
    parts::{Lines, Quotas},
};

fn legacy() -> Router {
    Router::new()
        .route("/legacy", routing::get(async || "root"))
        .route("/legacy/teapot", routing::any(async || (http::StatusCode::IM_A_TEAPOT, "short")))
        .route("/legacy/panic", routing::get(async || -> String { panic!("out of tea") }))
}

fn edge(log: &Arc<Lines>) -> Edge {
    EdgeBuilder::default()
        .mount_raw("/legacy", legacy(), "moves next quarter")
        .build(options(), parts(log, &Arc::<Quotas>::default()))
        .expect("no contradiction")
}

#[tokio::test]
async fn its_answers_pass_unchanged_and_get_ids_limits_and_a_line() {
    let log = Arc::<Lines>::default();
    let edge = edge(&log);
    for (method, path, status, route) in [
        ("GET", "/legacy", 200, "/legacy"),
        ("GET", "/legacy/", 404, "/legacy/"),
        ("POST", "/legacy/teapot", 418, "/legacy/{*rest}"),
        ("GET", "/legacy/nothing", 404, "/legacy/{*rest}"),
        ("GET", "/legacy/panic", 500, "/legacy/{*rest}"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Body::empty()).expect("a request");
        let answer = Answer::read(edge.handle(request, &PEER).await).await;
        let line = log.only();
        assert_eq!((answer.status, line.route.as_str()), (status, route), "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
        assert!(answer.header("ratelimit").is_some(), "{path}");
        log.take();
    }
}

#[tokio::test]
async fn route_tables_show_the_reason_and_the_contract_leaves_it_out() {
    let edge = edge(&Arc::<Lines>::default());
    let table = openapi::route_table(&edge);
    assert!(table.contains("raw: moves next quarter"), "{table}");
    assert_eq!(edge.document().value()["paths"], serde_json::json!({}));
}
