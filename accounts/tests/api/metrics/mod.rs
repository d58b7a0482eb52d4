//! `/metrics`: what operators are told, and what nobody can do to it.

mod exposition;
mod operations;
mod parts;
mod requests;

use mainstay_testing::TestApp;

use self::exposition::Exposition;
use crate::support::{assert_outcome, start};

async fn text(app: &TestApp) -> String {
    let reply = app.ops("/metrics").send().await;
    assert_eq!(reply.status.as_u16(), 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
    String::from_utf8(reply.body.to_vec()).expect("text")
}

/// What the operators' listener says now.
async fn scrape(app: &TestApp) -> Exposition {
    Exposition::parse(&text(app).await)
}

#[tokio::test]
async fn who_accepts_openmetrics_gets_it() {
    let app = start().await;
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let reply = app.ops("/metrics").header("accept", accept).send().await;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), media_type);
    let page = String::from_utf8(reply.body.to_vec()).expect("text");
    assert!(page.ends_with("\n# EOF\n"));
    assert!(page.contains("\n# TYPE mainstay_requests counter\n"));
}

#[tokio::test]
async fn metrics_are_for_operators_only() {
    let app = start().await;
    assert_outcome(&app.get("/metrics").send().await, 404, "ROUTE_NOT_FOUND", "on the API");
    let page = scrape(&app).await;
    assert_eq!(page.sum("mainstay_requests_total", ("route", "/metrics")), 0);
}
