//! Traces as a collector sees them, and requests while it is unwell.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use accounts::Accounts;
use mainstay_testing::{Collector, Engine, ExportedSpan, Mood, Reply, TestApp, TestOptions};
use serde_json::json;

use crate::{
    process::Home,
    support::{PASSWORD, Person, assert_outcome, options, register, registration, text, until},
};

/// What a trace's kinds are on the wire.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// A service that keeps this part of its traces and sends them at once.
fn traced(collector: &Collector, ratio: &str) -> TestOptions {
    options()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .with("OTEL_TRACES_SAMPLER_ARG", ratio)
        .with("OTEL_BSP_SCHEDULE_DELAY", "10")
}

async fn start(options: TestOptions) -> TestApp {
    TestApp::start_with::<Accounts>(options).await
}

/// The trace of an answered request.
fn trace_of(reply: &Reply) -> String {
    reply.header("traceresponse")[3..35].to_owned()
}

/// The span of an answered request.
fn span_of(reply: &Reply) -> String {
    reply.header("traceresponse")[36..52].to_owned()
}

/// Waits for the trace of an answered request.
async fn exported(collector: &Collector, reply: &Reply) -> Vec<ExportedSpan> {
    let id = trace_of(reply);
    collector.until("a trace", |collector| !collector.trace(&id).is_empty()).await;
    collector.trace(&id)
}

fn attribute(span: &ExportedSpan, key: &str) -> String {
    span.attributes.get(key).map(text).unwrap_or_default()
}

/// A sample of the metrics.
async fn metric(app: &TestApp, name: &str) -> Option<u64> {
    let page = String::from_utf8(app.ops("/metrics").send().await.body.to_vec()).expect("text");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.parse().expect("a count"))
}

#[tokio::test]
async fn a_request_is_a_trace_of_what_was_done_for_it() {
    let collector = Collector::start().await;
    let app = start(traced(&collector, "1")).await;
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD });
    let reply = register(&app, &body).await;
    let spans = exported(&collector, &reply).await;

    let root = &spans[0];
    assert_eq!((root.name.as_str(), root.kind), ("POST /users", SERVER));
    assert_eq!((root.span_id.clone(), root.parent_id.as_str()), (span_of(&reply), ""));
    // Sampled, with a random id, and no parent elsewhere.
    assert_eq!((root.flags, root.failed), (0x103, false));
    assert_eq!(attribute(root, "http.request.method"), "POST");
    assert_eq!(attribute(root, "http.route"), "/users");
    assert_eq!(root.attributes["http.response.status_code"], 201);
    assert_eq!(attribute(root, "mainstay.request_id"), reply.header("x-request-id"));

    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "every span has an id of its own");
    for span in &spans[1..] {
        let parent = by_id.get(span.parent_id.as_str()).expect("a parent in the same trace");
        assert!(parent.time.0 <= span.time.0 && span.time.0 <= span.time.1, "{span:?}");
        assert_ne!(attribute(span, "mainstay.step"), "", "{span:?}");
    }
    let handler = spans.iter().find(|span| span.name == "handler create").expect("the handler");
    assert_eq!((handler.kind, &handler.parent_id), (INTERNAL, &root.span_id));
    let insert = spans.iter().find(|span| span.name == "INSERT users").expect("the statement");
    assert_eq!(insert.kind, CLIENT);
    let system = match app.database().engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres | Engine::PgBouncer => "postgresql",
    };
    assert_eq!(attribute(insert, "db.system.name"), system);
    assert!(attribute(insert, "db.query.text").contains("$1"), "{insert:?}");
}

#[tokio::test]
async fn spans_say_who_sends_them_and_to_whom_they_are_allowed() {
    let collector = Collector::start().await;
    let options = traced(&collector, "1")
        .with("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20for-the-collector")
        .with("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let app = start(options).await;
    let reply = app.get("/flags").send().await;
    let resource = exported(&collector, &reply).await[0].resource.clone();
    for (key, value) in [
        ("service.name", "accounts"),
        ("deployment.environment.name", "test"),
        ("telemetry.sdk.name", "mainstay"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(resource[key], value, "{key}");
    }
    assert!(resource.contains_key("service.instance.id"));
    let export = collector.exports().remove(0);
    assert_eq!(export.path, "/v1/traces");
    assert_eq!(export.headers["content-type"], "application/x-protobuf");
    assert_eq!(export.headers["authorization"], "Bearer for-the-collector");
    assert!(!app.log().text().contains("for-the-collector"));
}

#[tokio::test]
async fn a_refusal_is_no_error_and_tells_who_asked_and_which_code() {
    let collector = Collector::start().await;
    let app = start(traced(&collector, "1")).await;
    let person = Person::join(&app, "ada").await;
    let reply = app.get("/users").bearer(&person.token).send().await;
    assert_outcome(&reply, 403, "FORBIDDEN", "no administrator");
    let root = exported(&collector, &reply).await.remove(0);
    assert_eq!(attribute(&root, "enduser.pseudo.id"), person.id);
    assert_eq!(attribute(&root, "mainstay.code"), "FORBIDDEN");
    assert!(!root.failed && !root.attributes.contains_key("error.type"), "{root:?}");
}

#[tokio::test]
async fn failures_are_exported_whatever_the_ratio_and_nothing_else_is() {
    let collector = Collector::start().await;
    let app = start(traced(&collector, "0")).await;
    let well = app.get("/openapi.json").send().await;
    assert!(well.header("traceresponse").ends_with("-02"));
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let call = registration(&app, "bob@example.com").header("request-timeout", "0.1");
    let reply = call.send().await;
    assert_outcome(&reply, 504, "DEADLINE_EXCEEDED", "behind a lock");
    let spans = exported(&collector, &reply).await;
    let insert = spans.iter().find(|span| span.name == "INSERT users").expect("the statement");
    assert!(insert.failed, "{insert:?}");
    let root = &spans[0];
    assert!(root.failed);
    assert_eq!(attribute(root, "error.type"), "DEADLINE_EXCEEDED");
    assert!(collector.trace(&trace_of(&well)).is_empty(), "it came first and would be there");
}

#[tokio::test]
async fn a_callers_decision_is_followed_both_ways() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";
    let collector = Collector::start().await;
    for (ratio, flags, is_kept) in [("0", "01", true), ("1", "00", false)] {
        let app = start(traced(&collector, ratio)).await;
        let trace = if is_kept { TRACE.to_owned() } else { TRACE.replace('0', "1") };
        let traceparent = format!("00-{trace}-{PARENT}-{flags}");
        app.get("/flags").header("traceparent", &traceparent).send().await;
        // Everything is sent before a service has stopped.
        app.stop().await;
        let spans = collector.trace(&trace);
        assert_eq!(spans.first().map(|span| span.parent_id.as_str()), is_kept.then_some(PARENT));
        assert!(spans.iter().take(1).all(|root| root.flags == 0x301), "a parent elsewhere");
    }
}

#[tokio::test]
async fn nobody_has_everything_kept_by_asking_for_it() {
    let collector = Collector::start().await;
    let options = traced(&collector, "0").with("MAINSTAY_TRACES__FOLLOWED_PER_SECOND", "0");
    let app = start(options).await;
    // The id is one that every ratio would keep.
    let chosen = format!("00-{}-b7ad6b7169203331-03", "f".repeat(32));
    let reply = app.get("/flags").header("traceparent", &chosen).send().await;
    assert!(reply.header("traceresponse").ends_with("-02"));
    assert_eq!(metric(&app, "mainstay_traces_unheeded_total").await, Some(1));
    app.stop().await;
    assert_eq!(collector.exports().len(), 0);
}

#[tokio::test]
async fn a_collector_that_never_answers_costs_no_request_anything() {
    let collector = Collector::start().await;
    collector.becomes(Mood::Silent);
    let app = start(traced(&collector, "1").with("MAINSTAY_TRACES__QUEUE_MAX", "3")).await;
    app.get("/openapi.json").send().await;
    collector.until("an attempt", |collector| collector.exports().len() == 1).await;
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(app.get("/openapi.json").send().await.status.as_u16(), 200);
    }
    // The attempt alone would take ten.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let dropped = metric(&app, r#"mainstay_spans_dropped_total{reason="queue_full"}"#).await;
    let waiting = metric(&app, "mainstay_spans_waiting").await.expect("a gauge");
    assert!(dropped.expect("a counter") >= 47, "{dropped:?}");
    assert!((3..=3 * 65).contains(&waiting), "three requests wait: {waiting}");
    let began = Instant::now();
    app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "a stop does not wait for it either");
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes_as_well() {
    let collector = Collector::start().await;
    collector.becomes(Mood::Silent);
    let options = traced(&collector, "1").with("MAINSTAY_TRACES__QUEUE_BYTES_MAX", "65536");
    let app = start(options).await;
    app.get("/openapi.json").send().await;
    collector.until("an attempt", |collector| collector.exports().len() == 1).await;
    let reason = r#"mainstay_spans_dropped_total{reason="queue_full"}"#;
    let full = async || {
        app.get("/openapi.json").send().await;
        metric(&app, reason).await.filter(|dropped| *dropped > 0)
    };
    until("a queue that is full", full).await;
    let waiting = metric(&app, "mainstay_spans_waiting").await.expect("a gauge");
    assert!(waiting < 1000, "{waiting}");
}

#[tokio::test]
async fn a_collector_that_comes_back_is_sent_what_waits() {
    let collector = Collector::start().await;
    let address = collector.address();
    let app = start(traced(&collector, "1")).await;
    drop(collector);
    let reply = app.get("/flags").send().await;
    let failed = async || {
        metric(&app, "mainstay_spans_attempts_failed_total").await.filter(|failed| *failed > 0)
    };
    until("an attempt that failed", failed).await;
    let collector = Collector::at(address).await;
    exported(&collector, &reply).await;
}

#[tokio::test]
async fn a_collector_is_left_alone_as_long_as_it_asks() {
    for status in [429, 503] {
        let collector = Collector::start().await;
        collector.becomes(Mood::Answers(status, Some("2")));
        let app = start(traced(&collector, "1")).await;
        let reply = app.get("/flags").send().await;
        collector.until("an attempt", |collector| collector.exports().len() == 1).await;
        collector.becomes(Mood::Well);
        exported(&collector, &reply).await;
        let attempts = collector.exports();
        assert!(attempts[1].at - attempts[0].at >= Duration::from_secs(2));
        assert_eq!(attempts[0].body, attempts[1].body, "the same batch again");
    }
}

#[tokio::test]
async fn what_the_collector_does_not_want_is_not_offered_again() {
    let collector = Collector::start().await;
    let app = start(traced(&collector, "1")).await;
    let rejected = r#"mainstay_spans_dropped_total{reason="rejected"}"#;
    for status in [400, 404, 413, 500, 302] {
        let before = metric(&app, rejected).await.expect("a counter");
        let attempts = collector.exports().len();
        collector.becomes(Mood::Answers(status, None));
        app.get("/flags").send().await;
        let counted = async || metric(&app, rejected).await.filter(|now| *now > before);
        until("a rejection", counted).await;
        assert_eq!(collector.exports().len(), attempts + 1, "{status}");
    }
    collector.becomes(Mood::Picky(1, "too old"));
    let before = metric(&app, rejected).await.expect("a counter");
    let exported = metric(&app, "mainstay_spans_exported_total").await.expect("a counter");
    for _ in 0..2 {
        let reply = app.get("/flags").send().await;
        self::exported(&collector, &reply).await;
    }
    let counted = async || metric(&app, rejected).await.filter(|now| *now == before + 2);
    until("a partial success", counted).await;
    assert!(metric(&app, "mainstay_spans_exported_total").await > Some(exported));
}

#[tokio::test]
async fn the_log_tells_what_is_wrong_with_the_collector_and_does_not_repeat_it() {
    let collector = Collector::start().await;
    let home = Home::new();
    let mut service = home
        .start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20for-the-collector"),
            ("OTEL_TRACES_SAMPLER_ARG", "1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("RUST_LOG", "trace"),
        ])
        .await;
    for mood in [Mood::Picky(1, "too\nold"), Mood::Answers(404, None)] {
        collector.becomes(mood);
        for _ in 0..3 {
            let attempts = collector.exports().len();
            service.call("GET", "/flags").send().await;
            collector.until("an attempt", |c| c.exports().len() > attempts).await;
        }
    }
    service.terminate();
    assert_eq!(service.ended().await, Some(0));
    let log = service.output();
    for (told, why) in [
        ("traces are exported", r#""sample_ratio":1"#),
        ("the collector did not take all spans", r#""rejected":1,"reason":"too\nold""#),
        ("traces are not exported", r#""error":"the collector answered 404""#),
    ] {
        let told = format!(r#""msg":"{told}""#);
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&told)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(why), "{}", lines[0]);
    }
    assert!(!log.contains("for-the-collector"), "a secret is logged");
}

#[tokio::test]
async fn what_no_collector_takes_in_time_is_dropped_and_counted() {
    let collector = Collector::start().await;
    collector.becomes(Mood::Answers(502, None));
    let options = traced(&collector, "1")
        .with("OTEL_BSP_EXPORT_TIMEOUT", "100")
        .with("OTEL_EXPORTER_OTLP_TIMEOUT", "100");
    let app = start(options).await;
    app.get("/flags").send().await;
    let reason = r#"mainstay_spans_dropped_total{reason="unreachable"}"#;
    until("a loss", async || metric(&app, reason).await.filter(|lost| *lost > 0)).await;
    assert_eq!(metric(&app, "mainstay_spans_waiting").await, Some(0));
}

#[tokio::test]
async fn the_last_requests_are_exported_before_the_end() {
    let collector = Collector::start().await;
    let app = start(traced(&collector, "1").with("OTEL_BSP_SCHEDULE_DELAY", "60000")).await;
    let reply = app.get("/flags").send().await;
    assert_eq!(collector.exports().len(), 0, "nothing is due for a minute");
    app.stop().await;
    assert!(!collector.trace(&trace_of(&reply)).is_empty());
}

#[tokio::test]
async fn without_a_collector_there_is_no_sample_and_callers_decisions_are_passed_on() {
    let app = start(options()).await;
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let reply = app.get("/flags").header("traceparent", given).send().await;
    assert!(reply.header("traceresponse").ends_with("-01"));
    assert_eq!(metric(&app, "mainstay_spans_exported_total").await, None);
}
