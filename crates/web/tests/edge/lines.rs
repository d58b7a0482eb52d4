//! Ids, traces and the one line that every request leaves.

use axum::body::Body;
use http::{HeaderValue, Method};
use uuid::Uuid;

use crate::{
    harness::{bench, by, get, post, request},
    parts::{ALICE, NOW},
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_good_request_id_is_kept_and_any_other_replaced() {
    let bench = bench();
    let longest = "x".repeat(128);
    for id in ["a", "req-1_2.3", &longest] {
        let answer = bench.send(get("/nowhere").header("x-request-id", id)).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.json()["request_id"], id);
    }
    let longer = "x".repeat(129);
    for bad in [&["a b"] as &[&str], &["a\"b"], &[""], &[&longer], &["a", "a"], &[]] {
        let request =
            bad.iter().fold(get("/hello"), |request, id| request.header("x-request-id", *id));
        let answer = bench.send(request).await;
        let id = answer.header("x-request-id").expect("an id");
        let made = Uuid::parse_str(id).expect("a UUID");
        assert_eq!(made.get_version_num(), 7, "{bad:?}");
        let (seconds, _) = made.get_timestamp().expect("a time").to_unix();
        assert_eq!(seconds, NOW.as_second() as u64, "ids sort by the service's clock");
    }
}

#[tokio::test]
async fn two_requests_never_share_an_id() {
    let bench = bench();
    let (first, second) = (bench.send(get("/hello")).await, bench.send(get("/hello")).await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_ne!(first.header("traceresponse"), second.header("traceresponse"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_look_at_its_request_and_nobody_else_can() {
    let request = by("alice", get("/context")).header("x-request-id", "mine");
    let answer = bench().send(request).await;
    let expected = ["mine", "192.0.2.7", "10", &ALICE.to_string()];
    assert_eq!(answer.json(), serde_json::json!(expected));
    assert!(mainstay_web::current(|_| ()).is_none());
}

#[tokio::test]
async fn a_trace_is_continued_in_a_span_of_our_own_and_returned() {
    let bench = bench();
    let request = get("/hello").header("traceparent", TRACE);
    let (answer, line) = bench.send_and_see(request, Body::empty()).await;
    assert_eq!(line.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line.parent_id.as_deref(), Some("b7ad6b7169203331"));
    assert_ne!(line.span_id, "b7ad6b7169203331");
    let expected = format!("00-{}-{}-01", line.trace_id, line.span_id);
    assert_eq!(answer.header("traceresponse"), Some(expected.as_str()));
}

#[tokio::test]
async fn a_trace_that_cannot_be_read_is_begun_anew() {
    let bench = bench();
    for traces in [&["nonsense"] as &[&str], &[TRACE, TRACE], &[""], &[]] {
        let request = traces
            .iter()
            .fold(get("/hello"), |request, trace| request.header("traceparent", *trace));
        let (_, line) = bench.send_and_see(request, Body::empty()).await;
        assert_eq!(line.parent_id, None, "{traces:?}");
        assert_ne!(line.trace_id, "0af7651916cd43dd8448eb211c80319c");
    }
}

#[tokio::test]
async fn a_line_says_who_asked_for_what_and_how_it_ended() {
    let bench = bench();
    let thing = format!("/things/{ALICE}?secret=1");
    let body = r#"{"text":"abc"}"#;
    let method = |method| request(method, "/hello");
    let json = |request: http::request::Builder| request.header("content-type", "application/json");
    for (request, body, expected) in [
        (get("/hello"), "", ("things", "GET", "/hello", None, 200, 0)),
        (json(post("/upload")), body, ("things", "POST", "/upload", None, 200, 14)),
        // Announced, and not read by anybody.
        (post("/hello"), "12345", ("things", "POST", "/hello", None, 204, 5)),
        (by("alice", get("/me")), "", ("things", "GET", "/me", Some(ALICE), 200, 0)),
        (by("alice", get("/things")), "", ("things", "GET", "/things", Some(ALICE), 403, 0)),
        (get(&thing), "", ("things", "GET", "/things/{id}", None, 401, 0)),
        (get("/nowhere/c4n4ry?c4n4ry"), "", ("edge", "GET", "-", None, 404, 0)),
        (method(Method::HEAD), "", ("things", "HEAD", "/hello", None, 200, 0)),
        (method(Method::OPTIONS), "", ("edge", "OPTIONS", "-", None, 204, 0)),
        (
            method(Method::from_bytes(b"C4N4RY").expect("a token")),
            "",
            ("edge", "OTHER", "-", None, 405, 0),
        ),
    ] {
        let (answer, line) = bench.send_and_see(request, body).await;
        let seen = (
            line.module,
            line.method,
            line.route.as_str(),
            line.subject,
            line.status,
            line.bytes_in,
        );
        assert_eq!(seen, expected);
        assert_eq!((line.time, line.client.as_str()), (NOW, "192.0.2.7"));
        let sent = if line.method == "HEAD" { 0 } else { answer.body.len() };
        assert_eq!(line.bytes_out, sent as u64, "{line:?}");
        assert!(!format!("{line:?}").to_lowercase().contains("c4n4ry"), "{line:?}");
        assert!(!format!("{line:?}").contains("secret"), "{line:?}");
    }
}

#[tokio::test]
async fn header_values_that_are_no_text_are_nobodys_downfall() {
    let bench = bench();
    let odd = HeaderValue::from_bytes(b"\xff\xfe").expect("a value");
    for name in [
        "x-request-id",
        "traceparent",
        "authorization",
        "request-timeout",
        "origin",
        "if-none-match",
        "if-match",
        "content-type",
        "content-encoding",
        "client-version",
        "x-forwarded-for",
        "access-control-request-method",
    ] {
        for path in ["/search?word=a", "/me", "/things"] {
            let answer = bench.send(get(path).header(name, odd.clone())).await;
            assert!(answer.status < 500, "{name} {path}: {answer:?}");
        }
    }
}
