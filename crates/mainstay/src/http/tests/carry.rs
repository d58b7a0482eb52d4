//! A service that calls another one: both behind the production edge.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use axum::body::{Body, to_bytes};
use mainstay_core::{Clock, RequestLine, RequestLog, Step, StepKind, Steps, SystemClock};
use mainstay_store::LocalLimiter;
use mainstay_web::{
    Edge, EdgeBuilder, EdgeOptions, EdgeParts, Json, Routes, Use,
    edge::Breach,
    get,
    server::{Peer, Protocol, Server, ServerOptions, Shutdown},
};

use super::{
    server::{Scripted, answer},
    *,
};

/// The request lines of a service.
#[derive(Default)]
struct Lines(Mutex<Vec<Line>>);

struct Line {
    id: String,
    trace: TraceContext,
    steps: Steps,
}

impl RequestLog for Lines {
    fn record(&self, line: &RequestLine<'_>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Line {
            id: line.id.to_string(),
            trace: line.trace.clone(),
            steps: line.steps.cloned().unwrap_or_default(),
        });
    }
}

impl Lines {
    fn only(&self) -> Line {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }
}

fn edge<S: Clone + Send + Sync + 'static>(routes: Routes<S>) -> (Arc<Edge>, Arc<Lines>) {
    let lines = Arc::<Lines>::default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let parts = EdgeParts {
        limiter: Arc::new(LocalLimiter::new(clock.clone())),
        authenticator: None,
        idempotency: None,
        log: lines.clone(),
        clock,
    };
    let options = EdgeOptions { breach: Breach::Panic, ..EdgeOptions::default() };
    let edge = EdgeBuilder::default().mount(routes).build(options, parts);
    (Arc::new(edge.expect("no contradiction")), lines)
}

/// Milliseconds that the request has left.
async fn time_left() -> Json<u64> {
    Json(Work::time_left().map_or(0, |left| left.as_millis() as u64))
}

/// Asks the other service.
async fn relay(billing: Use<Client>) -> Result<Json<u64>, CallError> {
    Ok(Json(billing.get("/time").send().await?.json()?))
}

/// The status and the body that the outer service answers.
async fn ask(edge: &Edge, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = ::http::Request::get("/relay").header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer =
        Peer { address: SocketAddr::from(([192, 0, 2, 7], 4711)), protocol: Protocol::Http1 };
    let answer = edge.handle(request.body(Body::empty()).expect("a request"), &peer).await;
    let (head, body) = answer.into_parts();
    let body = to_bytes(Body::new(body), 4096).await.expect("a body");
    (head.status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

/// The id of the n-th step of any journal.
async fn step_id(n: usize) -> mainstay_core::StepId {
    let (_journal, work) = request(SOON);
    work.scope(async {
        let steps: Vec<_> = (0..=n).map(|_| Step::begin(StepKind::Other, "it")).collect();
        steps.last().and_then(Step::id).expect("recorded")
    })
    .await
}

#[tokio::test]
async fn a_call_is_part_of_the_trace_and_of_the_time_of_its_request() {
    let (inner, inner_lines) = edge(Routes::new("time", ()).add(get("/time", time_left).public()));
    let server = Server::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default());
    let server = server.expect("a free port");
    let base = format!("http://{}", server.local_address().expect("bound"));
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(server.run(inner, shutdown.clone()));
    let client = Client::new("billing", base.parse().expect("an address"), options());
    let routes = Routes::new("relay", client).add(get("/relay", relay).public());
    let (outer, outer_lines) = edge(routes);

    let (status, left) = ask(
        &outer,
        &[
            ("x-request-id", "order-7"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("tracestate", "vendor=a1,other=b2"),
            ("request-timeout", "1.5"),
        ],
    )
    .await;
    assert_eq!(status, 200, "{left}");
    // Less than the request has, by the margin.
    let left: u64 = left.parse().expect("a number");
    assert!((1..=1490).contains(&left), "{left} ms");

    let (outer, inner) = (outer_lines.only(), inner_lines.only());
    assert_eq!((inner.id.as_str(), outer.id.as_str()), ("order-7", "order-7"));
    assert_eq!(inner.trace.trace_id, outer.trace.trace_id);
    assert_eq!(inner.trace.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert!(inner.trace.sampled);
    assert_eq!(inner.trace.state, outer.trace.state);
    assert!(inner.trace.state.is_some());
    let is_call = |step: &mainstay_core::Recorded| step.kind == StepKind::Outbound;
    let at = outer.steps.list.iter().position(is_call).expect("a step");
    let step = outer.steps.list[at];
    assert_eq!((step.name, step.outcome, step.number), ("billing", "ok", Some(200)));
    assert_eq!(inner.trace.parent_id, Some(outer.trace.span_of(step_id(at).await)));
    shutdown.trigger();
    serving.await.expect("no panic");
}

#[tokio::test]
async fn an_error_of_a_call_is_an_answer_of_the_service() {
    let server = Scripted::start(|_| answer(503, "retry-after: 30\r\n", "")).await;
    let client = client(&server, options());
    let routes = Routes::new("relay", client).add(get("/relay", relay).public());
    let (status, body) = ask(&edge(routes).0, &[]).await;
    assert_eq!(status, 503);
    assert!(body.contains("UPSTREAM_UNAVAILABLE") && body.contains("30000"), "{body}");
    assert!(!body.contains("billing"), "{body}");
}

#[tokio::test]
async fn outside_of_a_request_a_call_carries_the_time_alone() {
    let server = Scripted::start(|_| answer(200, "", "")).await;
    let options = ClientOptions { attempt_timeout: Duration::from_secs(2), ..options() };
    client(&server, options).get("/users/{id}").param("id", "a/b").send().await.expect("fine");
    let head = &server.heads()[0];
    assert!(head.starts_with("GET /users/a%2Fb HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nrequest-timeout: 1.990"), "{head}");
    assert!(head.contains("\r\naccept: application/json"), "{head}");
    for name in ["traceparent", "tracestate", "x-request-id", "cookie", "accept-encoding"] {
        assert!(!head.contains(name), "{head}");
    }
}

#[tokio::test]
async fn where_steps_are_not_recorded_the_request_is_the_parent() {
    let server = Scripted::start(|_| answer(200, "", "")).await;
    let (recorded, _) = request(SOON);
    let journal = Journal::new(recorded.id().clone(), recorded.trace().clone(), false);
    let work = Work::new(std::time::Instant::now() + SOON, Arc::from("GET /orders"));
    let sent = work.recorded_in(journal).scope(client(&server, options()).get("/").send());
    sent.await.expect("fine");
    let head = &server.heads()[0];
    let expected = format!("traceparent: 00-{}-{}-01", "01".repeat(16), "02".repeat(8));
    assert!(head.contains(&expected) && head.contains("x-request-id: request-7"), "{head}");
}
