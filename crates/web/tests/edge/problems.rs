//! Whatever goes wrong is one shape, from a closed set of codes, and reveals nothing.

use std::{collections::BTreeSet, sync::Arc};

use axum::body::Body;
use futures_util::{FutureExt, StreamExt, stream};
use http::{Method, Request, StatusCode, request::Builder};
use mainstay_web::{
    EdgeOptions, Transport, codes, edge, edge::Breach, ops::Readiness, server::Service,
};

use crate::{
    answer::Answer,
    harness::{Bench, PEER, bench, bench_of, bench_with, by, get, options, post, put, request},
    memory::{Flaw, Memory},
    parts::{ALICE, Check, FixedClock},
    service::PERSONAL,
    shop,
};

/// Never ends.
fn unfinished() -> Body {
    let first = stream::iter([Ok::<_, std::io::Error>("{\"text\"")]);
    Body::from_stream(first.chain(stream::pending()))
}

/// A request for every code that the edge answers by itself.
fn causes() -> Vec<(&'static str, Builder, Body)> {
    let json = |request: Builder| request.header("content-type", "application/json");
    let thing = format!("/things/{ALICE}");
    let known = format!("/known/{ALICE}");
    let large = "x".repeat(65);
    let long = format!("/hello?{}", "x".repeat(9000));
    let stale = json(by("alice", put(&thing))).header("if-match", "\"6\"");
    let bad_host = Request::get("/hello").header("host", "a b");
    vec![
        ("INVALID_HOST", bad_host, Body::empty()),
        ("URI_TOO_LONG", get(&long), Body::empty()),
        ("ROUTE_NOT_FOUND", get("/nowhere"), Body::empty()),
        ("METHOD_NOT_ALLOWED", request(Method::DELETE, "/hello"), Body::empty()),
        ("PAYLOAD_TOO_LARGE", json(post("/upload")), large.into()),
        ("UNSUPPORTED_MEDIA_TYPE", post("/upload"), "{}".into()),
        ("UNAUTHENTICATED", get("/me"), Body::empty()),
        ("FORBIDDEN", by("alice", get("/things")), Body::empty()),
        ("REQUEST_TIMEOUT", json(post("/upload")), unfinished()),
        ("MALFORMED_JSON", json(post("/upload")), "{".into()),
        ("VALIDATION_FAILED", json(post("/upload")), "{}".into()),
        ("PRECONDITION_FAILED", stale, r#"{"text":"a"}"#.into()),
        ("PRECONDITION_REQUIRED", json(by("alice", put(&known))), r#"{"text":"a"}"#.into()),
        ("DEADLINE_EXCEEDED", get("/slow"), Body::empty()),
        ("NOT_READY", get("/readyz"), Body::empty()),
        ("INTERNAL", get("/panic/literal"), Body::empty()),
        ("RATE_LIMITED", get("/limited"), Body::empty()),
        ("SESSIONS_UNAVAILABLE", by("broken", get("/me")), Body::empty()),
    ]
}

/// Everything wrong that the server tells the edge.
const REFUSALS: [(StatusCode, &str); 4] = [
    (StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
    (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT"),
    (StatusCode::URI_TOO_LONG, "URI_TOO_LONG"),
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE"),
];

async fn refused(bench: &Bench, status: StatusCode) -> Answer {
    bench.log.take();
    let response = bench.edge.refuse(status, PEER).map(Body::from);
    let answer = Answer::read(response).await;
    let line = bench.log.only();
    bench.check(&answer, &line);
    assert_eq!((line.route.as_str(), line.method, line.module), ("-", "OTHER", "edge"));
    answer
}

/// What only requests with a key are refused with.
async fn keyed_refusals() -> [(&'static str, Answer); 3] {
    let shop = shop::bench(Memory::default(), options());
    assert_eq!(shop.order("good", "k", "tea").await.status, 201);
    let losing = shop::bench(Memory::with(Flaw::Loses), options());
    [
        ("IDEMPOTENCY_KEY_INVALID", shop.order("good", "", "tea").await),
        ("IDEMPOTENCY_KEY_REUSED", shop.order("good", "k", "rum").await),
        ("IDEMPOTENCY_IN_PROGRESS", losing.order("good", "k", "tea").await),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_code_of_the_edge_has_its_cause_and_one_shape() {
    let bench =
        bench_of(options(), Readiness::new(vec![Check::Unready.into()], Arc::new(FixedClock)));
    for _ in 0..2 {
        assert_eq!(bench.send(get("/limited")).await.status, 204);
    }
    let mut seen = BTreeSet::new();
    for (code, request, body) in causes() {
        let answer = bench.send_with(request, body).await;
        assert_eq!(answer.code().as_deref(), Some(code));
        seen.insert(code);
    }
    for (status, code) in REFUSALS {
        let answer = refused(&bench, status).await;
        assert_eq!((answer.status, answer.code().as_deref()), (status.as_u16(), Some(code)));
        seen.insert(code);
    }
    let browsers = bench_with(EdgeOptions { transport: Transport::Cookie, ..options() });
    let foreign = post("/hello").header("origin", "https://evil.example");
    let answer = browsers.send(foreign).await;
    assert_eq!(answer.code().as_deref(), Some("CROSS_SITE_REQUEST"));
    seen.insert("CROSS_SITE_REQUEST");
    for (code, answer) in keyed_refusals().await {
        assert_eq!(answer.code().as_deref(), Some(code));
        answer.check_promises();
        seen.insert(code);
    }
    // The edge itself admits every request, so only a fault answers this one.
    seen.insert("OVERLOADED");
    let missing: Vec<_> = codes::ALL.iter().filter(|code| !seen.contains(code.name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let observed = bench.observed.lock().expect("no panic").clone();
    assert!(observed.contains(&"GET /slow DEADLINE_EXCEEDED".to_owned()), "{observed:?}");
    assert!(observed.contains(&"- - ROUTE_NOT_FOUND".to_owned()), "{observed:?}");
}

#[tokio::test]
async fn a_fault_of_any_kind_is_rendered_as_its_kind_asks() {
    let bench = bench();
    // What a path allows is for the router alone to say.
    for code in codes::ALL.iter().filter(|code| **code != codes::METHOD_NOT_ALLOWED) {
        let (answer, line) =
            bench.send_and_see(get(&format!("/answer/{code}")), Body::empty()).await;
        let status = codes::status(code.kind);
        assert_eq!((answer.status, answer.code().as_deref()), (status.as_u16(), Some(code.name)));
        // A defect is not explained to anybody but the operator.
        let explained = answer.json().get("detail").is_some();
        assert_eq!(explained, status != StatusCode::INTERNAL_SERVER_ERROR, "{code}");
        let cause = status.is_server_error().then(|| "it was asked for".to_owned());
        assert_eq!(line.cause, cause, "{code}");
    }
}

#[tokio::test]
async fn what_to_wait_for_is_said_in_seconds_and_exactly() {
    let bench = bench();
    let answer = bench.send(get("/answer/OVERLOADED")).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    let full = loop {
        let answer = bench.send(get("/limited")).await;
        if answer.status != 204 {
            break answer;
        }
    };
    assert_eq!(full.header("retry-after"), Some("30"), "rounded up");
    assert_eq!(full.json()["retry_after_ms"], 29_500);
}

#[tokio::test]
async fn an_undeclared_answer_cannot_be_missed_by_a_test() {
    let bench = bench();
    for path in ["/undeclared", "/bare"] {
        let request = get(path).body(Body::empty()).expect("a request");
        let handling = std::panic::AssertUnwindSafe(bench.edge.handle(request, &PEER));
        let panic = handling.catch_unwind().await.expect_err("a breach");
        let message = panic.downcast_ref::<String>().expect("a text");
        assert!(message.contains(&format!("GET {path} answered")), "{message}");
    }
}

#[tokio::test]
async fn in_production_an_undeclared_answer_is_a_counted_defect() {
    let bench = bench_with(EdgeOptions { breach: Breach::Report, ..options() });
    let cases = [("/undeclared", "SURPRISE"), ("/bare", "an answer that is no problem document")];
    for (count, (path, breach)) in cases.into_iter().enumerate() {
        assert_eq!(bench.edge.breaches(), count as u64);
        let (answer, line) = bench.send_and_see(get(path), Body::empty()).await;
        assert_eq!((answer.status, answer.code().as_deref()), (500, Some("INTERNAL")));
        assert!(line.cause.is_some_and(|cause| cause.contains(breach)), "{breach}");
    }
    assert_eq!(bench.edge.breaches(), 2);
}

#[tokio::test]
async fn a_panic_is_one_answer_and_its_place_is_kept() {
    edge::install_panic_hook();
    let bench = bench();
    let (answer, line) = bench.send_and_see(get("/panic/literal"), Body::empty()).await;
    let after = bench.send(get("/hello")).await;
    // The hook is the whole process's, and a failing test shall be seen.
    drop(std::panic::take_hook());
    assert_eq!((answer.status, answer.code().as_deref()), (500, Some("INTERNAL")));
    let cause = line.cause.expect("a cause");
    assert!(cause.contains("service.rs:") && cause.ends_with(": a fixed text"), "{cause}");
    assert_eq!(after.status, 200);
}

#[tokio::test]
async fn a_panic_message_that_may_hold_data_is_withheld() {
    let bench = bench();
    let (answer, line) = bench.send_and_see(get("/panic/formatted"), Body::empty()).await;
    assert!(!String::from_utf8_lossy(&answer.body).contains(PERSONAL));
    let cause = line.cause.expect("a cause");
    assert!(cause.contains("withheld") && !cause.contains(PERSONAL), "{cause}");
}
