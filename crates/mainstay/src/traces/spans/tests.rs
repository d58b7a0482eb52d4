//! Tests of spans: what each says of its step, and that they hang together.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use mainstay_core::{
    Code, Journal, Kind, RequestId, RequestLine, Step, Steps, Subject, Timestamp, TraceId, Work,
};
use prost::Message;

use super::*;
use crate::traces::otlp::{AnyValue, Value};

const REQUEST: SpanId = SpanId([7; 8]);
const LOST: Code = Code::new("ROUTE_LOST", Kind::Internal, "The route is lost.");

fn trace() -> TraceContext {
    TraceContext {
        trace_id: TraceId([1; 16]),
        span_id: REQUEST,
        parent_id: None,
        sampled: true,
        random: true,
        state: None,
    }
}

/// The steps that a future leaves, which never waits.
fn recorded<F: Future>(future: F) -> Steps {
    let id = RequestId::parse("one").expect("an id");
    let journal = Journal::new(id, trace(), true);
    let deadline = Instant::now() + Duration::from_mins(1);
    let work = Work::new(deadline, "test".into()).recorded_in(journal.clone());
    let polled = pin!(work.scope(future)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(_)), "nothing waits here");
    journal.take().expect("steps are recorded")
}

/// The spans of a request with these steps, after a change to its line.
fn spans(steps: &Steps, change: impl FnOnce(&mut RequestLine<'_>)) -> Vec<Span> {
    let (id, trace) = (RequestId::parse("one").expect("an id"), trace());
    let mut line = RequestLine {
        time: Timestamp::from_second(1_700_000_000).expect("a time"),
        id: &id,
        trace: &trace,
        subject: None,
        module: "users",
        method: "GET",
        route: "/users/{id}",
        status: 200,
        duration: Duration::from_millis(5),
        bytes_in: 0,
        bytes_out: 0,
        code: None,
        replayed: false,
        cause: None,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        steps: Some(steps),
    };
    change(&mut line);
    let mut spans = Vec::new();
    append(&Kept::copy(&line), "sqlite", &mut spans);
    spans
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    let AnyValue { value } = found.value.clone()?;
    value
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn name_of(span: &Span) -> &str {
    std::str::from_utf8(&span.name).expect("text")
}

#[test]
fn a_step_is_a_span_below_the_step_that_it_is_a_part_of() {
    let steps = recorded(async {
        let outer = Step::begin(StepKind::Handler, "show");
        let inner = async {
            let step = Step::begin(StepKind::Sql, "SELECT id FROM users WHERE id = $1");
            step.end("ok", Some(1));
        };
        Work::part_of(outer.id(), inner).await;
        outer.end("ok", None);
    });
    let [request, handler, sql] = &*spans(&steps, |_| {}) else { panic!("three spans") };
    assert_eq!((name_of(request), request.kind()), ("GET /users/{id}", SpanKind::Server));
    assert_eq!((name_of(handler), handler.kind()), ("handler show", SpanKind::Internal));
    assert_eq!((name_of(sql), sql.kind()), ("SELECT users", SpanKind::Client));
    assert_eq!(*request.span_id, REQUEST.0);
    assert_eq!(
        (&handler.parent_span_id, &sql.parent_span_id),
        (&request.span_id, &handler.span_id)
    );
    let (first, _) = steps.numbered().next().expect("a step");
    assert_eq!(*handler.span_id, trace().span_of(first).0, "as it is told to other services");
    assert_eq!(attribute(sql, "db.system.name"), Some("sqlite".into()));
    assert_eq!(attribute(sql, "db.query.summary"), Some("SELECT users".into()));
    assert_eq!(attribute(sql, "db.response.returned_rows"), Some(Value::Whole(1)));
}

#[test]
fn each_kind_of_step_has_the_name_and_the_kind_of_the_conventions() {
    for (kind, name, span_name, span_kind, number) in [
        (StepKind::Redis, "limits", "limits", SpanKind::Client, None),
        (StepKind::Outbound, "mail", "mail", SpanKind::Client, Some("http.response.status_code")),
        (StepKind::Sql, "DELETE FROM x", "DELETE x", SpanKind::Client, Some("mainstay.rows")),
        (StepKind::Limit, "users", "limit users", SpanKind::Internal, Some("mainstay.remaining")),
        (StepKind::Flags, "flag", "flags flag", SpanKind::Internal, Some("mainstay.flags")),
        (StepKind::Cache, "sessions", "cache sessions", SpanKind::Internal, None),
        (StepKind::Transaction, "x", "transaction x", SpanKind::Internal, None),
    ] {
        let steps = recorded(async { Step::begin(kind, name).end("ok", Some(9)) });
        let span = &spans(&steps, |_| {})[1];
        assert_eq!((name_of(span), span.kind()), (span_name, span_kind));
        assert_eq!(attribute(span, "mainstay.step"), Some(kind.as_str().into()));
        assert_eq!(attribute(span, "mainstay.outcome"), Some("ok".into()));
        if let Some(number) = number {
            assert_eq!(attribute(span, number), Some(Value::Whole(9)), "{number}");
        }
    }
}

#[test]
fn a_step_that_failed_or_was_abandoned_is_an_error_and_a_wait_is_told() {
    let steps = recorded(async {
        let failed = Step::begin(StepKind::Sql, "SELECT 1");
        failed.waited(Duration::from_millis(3));
        failed.fail("timed_out");
        drop(Step::begin(StepKind::Password, "argon2id"));
        Step::note(StepKind::Cache, "sessions", "hit", None);
    });
    let spans = spans(&steps, |_| {});
    assert!(is_error(&spans[1]) && is_error(&spans[2]) && !is_error(&spans[3]));
    assert_eq!(attribute(&spans[1], "error.type"), Some("timed_out".into()));
    assert_eq!(attribute(&spans[1], "mainstay.waited_ms"), Some(Value::Real(3.0)));
    assert_eq!(attribute(&spans[2], "error.type"), Some("abandoned".into()));
    assert_eq!(attribute(&spans[3], "mainstay.waited_ms"), None);
}

#[test]
fn a_step_that_goes_on_after_its_request_ends_with_it() {
    let mut steps = recorded(async { Step::begin(StepKind::Sql, "SELECT 1").end("ok", None) });
    (steps.list[0].took, steps.list[0].outcome) = (None, "");
    let spans = spans(&steps, |line| line.duration = Duration::from_secs(1));
    assert_eq!(spans[1].end_time_unix_nano, spans[0].end_time_unix_nano);
    assert_eq!(attribute(&spans[1], "mainstay.outcome"), Some("unfinished".into()));
}

#[test]
fn only_a_failure_of_the_service_is_an_error() {
    let steps = Steps::default();
    for (status, code, error) in [
        (200, None, None),
        (404, Some(LOST), None),
        (499, None, None),
        (500, Some(LOST), Some("ROUTE_LOST")),
        (503, None, Some("503")),
    ] {
        let spans = spans(&steps, |line| (line.status, line.code) = (status, code));
        assert_eq!(is_error(&spans[0]), error.is_some(), "{status}");
        assert_eq!(attribute(&spans[0], "error.type"), error.map(Value::from), "{status}");
        let told = attribute(&spans[0], "mainstay.code");
        assert_eq!(told, code.map(|code| code.name.into()), "{status}");
    }
}

#[test]
fn a_request_is_called_by_its_route_and_never_by_what_was_sent() {
    let steps = Steps { omitted: 2, ..Steps::default() };
    let spans = spans(&steps, |line| (line.method, line.route) = ("OTHER", "-"));
    assert_eq!(name_of(&spans[0]), "HTTP");
    assert_eq!(attribute(&spans[0], "http.request.method"), Some("_OTHER".into()));
    assert_eq!(attribute(&spans[0], "http.route"), None);
    assert_eq!(attribute(&spans[0], "mainstay.steps_omitted"), Some(Value::Whole(2)));
}

#[test]
fn a_span_says_where_its_parent_is_and_who_asked() {
    let elsewhere = TraceContext { parent_id: Some(SpanId([9; 8])), sampled: false, ..trace() };
    let somebody = Subject(uuid::Uuid::from_u128(5));
    let mut spans = Vec::new();
    let steps = recorded(async { Step::note(StepKind::Other, "x", "ok", None) });
    let kept = self::spans(&steps, |_| {});
    let id = RequestId::parse("one").expect("an id");
    append(
        &Kept {
            time: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            id,
            trace: elsewhere,
            subject: Some(somebody),
            module: "users",
            method: "GET",
            route: "/me",
            status: 200,
            code: None,
            replayed: true,
            steps,
        },
        "postgresql",
        &mut spans,
    );
    assert_eq!((spans[0].flags, spans[1].flags), (0x302, 0x102));
    assert_eq!((kept[0].flags, kept[1].flags), (0x103, 0x103));
    assert_eq!(*spans[0].parent_span_id, [9; 8]);
    assert_eq!(attribute(&spans[0], "enduser.pseudo.id"), Some(somebody.to_string().into()));
    assert_eq!(attribute(&spans[0], "mainstay.replayed"), Some(Value::Truth(true)));
}

#[test]
fn what_is_written_is_read_again() {
    let steps = recorded(async { Step::begin(StepKind::Sql, "SELECT 1").end("ok", Some(1)) });
    for span in spans(&steps, |_| {}) {
        let read = Span::decode(&*span.encode_to_vec()).expect("a span");
        assert_eq!(read, span);
    }
}
