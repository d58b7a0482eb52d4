//! What the log promises: one line per request, nothing forged, nothing that blocks.

mod files;
mod levels;
mod losses;

use std::{
    fmt,
    io::{self, Write},
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use mainstay_core::{
    Clock, Code, Kind, RequestId, RequestLine, SpanId, Subject, Timestamp, TraceContext, TraceId,
};
use uuid::Uuid;

use super::*;
use crate::config::{Loader, Log, Sources};

/// Longer than any writer needs, so that only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was written, readable while the log holds the writing end.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that stands at 2026-01-31T12:00:00.007Z.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-01-31T12:00:00.007Z".parse().expect("a timestamp")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn config(settings: &[(&str, &str)]) -> Log {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = settings.iter().map(owned).collect();
    let mut loader = Loader::new(Sources { environment, ..Sources::none() });
    let log = loader.section();
    loader.finish().expect("no mistakes");
    log
}

fn log_on(tape: &Tape, settings: &[(&str, &str)], current: CurrentRequest) -> Telemetry {
    Telemetry::with_output(Box::new(tape.clone()), &config(settings), current, Arc::new(Noon))
        .expect("threads are to be had")
}

fn nobody(_: &mut dyn FnMut(&RequestId, &TraceContext)) {}

fn somebody(tell: &mut dyn FnMut(&RequestId, &TraceContext)) {
    tell(&ID, &TRACE);
}

static ID: LazyLock<RequestId> = LazyLock::new(|| RequestId::parse("req-1").expect("well formed"));

static TRACE: LazyLock<TraceContext> = LazyLock::new(|| TraceContext {
    trace_id: TraceId([0xab; 16]),
    span_id: SpanId([0xcd; 8]),
    parent_id: None,
    sampled: true,
    random: false,
    state: None,
});

/// A request that went well.
fn request() -> RequestLine<'static> {
    RequestLine {
        time: Noon.now(),
        id: &ID,
        trace: &TRACE,
        subject: None,
        module: "users",
        method: "GET",
        route: "/users/{id}",
        status: 200,
        duration: Duration::from_micros(1234),
        bytes_in: 0,
        bytes_out: 512,
        code: None,
        replayed: false,
        cause: None,
        client: IpAddr::from([203, 0, 113, 77]),
        steps: None,
    }
}

/// Records one request and returns what is written for it.
fn recorded(settings: &[(&str, &str)], line: &RequestLine<'_>) -> String {
    let tape = Tape::default();
    let log = log_on(&tape, settings, nobody);
    log.request_log().record(line);
    assert!(log.flush(PATIENCE));
    tape.text()
}

fn event(settings: &[(&str, &str)], current: CurrentRequest, log: impl FnOnce()) -> String {
    let tape = Tape::default();
    let telemetry = log_on(&tape, settings, current);
    tracing::dispatcher::with_default(&telemetry.dispatch(), log);
    assert!(telemetry.flush(PATIENCE));
    tape.text()
}

const HEAD: &str = "{\"time\":\"2026-01-31T12:00:00.007Z\"";
const IDS: &str = "\"id\":\"req-1\",\"trace_id\":\"abababababababababababababababab\",\
                   \"span_id\":\"cdcdcdcdcdcdcdcd\"";

#[test]
fn a_request_is_one_line_of_json_without_what_is_absent() {
    assert_eq!(
        recorded(&[], &request()),
        format!(
            "{HEAD},\"level\":\"info\",\"msg\":\"request\",{IDS},\"module\":\"users\",\
             \"method\":\"GET\",\"route\":\"/users/{{id}}\",\"status\":200,\"ms\":1.234,\
             \"bytes_in\":0,\"bytes_out\":512,\"client\":\"203.0.113.0/24\"}}\n"
        )
    );
}

#[test]
fn an_answer_that_was_given_before_says_so() {
    let line = RequestLine { replayed: true, ..request() };
    let text = recorded(&[], &line);
    assert!(text.contains("\"bytes_out\":512,\"replayed\":true,\"client\""), "{text}");
    let text = recorded(&[("LOG_FORMAT", "pretty")], &line);
    assert!(text.contains("users replayed id="), "{text}");
}

#[test]
fn a_failed_request_tells_its_code_cause_and_user() {
    let line = RequestLine {
        status: 503,
        subject: Some(Subject(Uuid::nil())),
        code: Some(Code::new("DATABASE_UNAVAILABLE", Kind::Unavailable, "")),
        cause: Some(&"connection refused"),
        ..request()
    };
    let text = recorded(&[], &line);
    for part in [
        "\"level\":\"error\"",
        "\"user_id\":\"00000000-0000-0000-0000-000000000000\"",
        "\"code\":\"DATABASE_UNAVAILABLE\",\"cause\":\"connection refused\"",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn no_text_breaks_out_of_its_line_or_its_string() {
    let hostile = "\"}\n{\"level\":\"info\"}\r\u{1b}[2J\u{7f}\u{85}\u{2028}\u{202e}\\ é …";
    let escaped = "\\\"}\\n{\\\"level\\\":\\\"info\\\"}\\r\\u001b[2J\\u007f\\u0085\\u2028\\u202e\
                   \\\\ é …";
    let failed = RequestLine { cause: Some(&hostile), ..request() };
    let json = recorded(&[], &failed);
    assert!(json.contains(&format!("\"cause\":\"{escaped}\"")), "{json}");
    assert_eq!(json.lines().count(), 1);

    let pretty = recorded(&[("LOG_FORMAT", "pretty")], &failed);
    assert_eq!(pretty.lines().count(), 1, "{pretty}");
    assert!(!pretty.trim_end().contains(char::is_control), "{pretty:?}");

    let json = event(&[], nobody, || tracing::info!(value = ?hostile, "{hostile}"));
    assert!(json.contains(&format!("\"msg\":\"{escaped}\"")), "{json}");
    assert_eq!(json.lines().count(), 1);
}

#[test]
fn a_long_cause_is_cut_at_a_character() {
    let cause = "é".repeat(2000);
    let text = recorded(&[], &RequestLine { cause: Some(&cause), ..request() });
    assert!(text.contains(&format!("\"cause\":\"{}…\"", "é".repeat(512))), "{text}");
}

#[test]
fn a_client_is_told_as_configured() {
    let client = |told, address: &str| {
        let line = RequestLine { client: address.parse().expect("an address"), ..request() };
        let text = recorded(&[("MAINSTAY_LOG__CLIENT", told)], &line);
        text.split_once("\"client\":").map(|(_, client)| client.trim_end_matches("}\n").to_owned())
    };
    let shown = |text: &str| Some(format!("\"{text}\""));
    assert_eq!(client("network", "203.0.113.77"), shown("203.0.113.0/24"));
    assert_eq!(client("network", "::ffff:203.0.113.77"), shown("203.0.113.0/24"));
    assert_eq!(client("network", "2001:db8:1:2::3"), shown("2001:db8:1::/48"));
    assert_eq!(client("full", "203.0.113.77"), shown("203.0.113.77"));
    assert_eq!(client("full", "2001:db8:1:2::3"), shown("2001:db8:1:2::3"));
    assert_eq!(client("off", "203.0.113.77"), None);
}

#[test]
fn people_get_aligned_columns() {
    let settings = [("LOG_FORMAT", "pretty"), ("MAINSTAY_LOG__CLIENT", "off")];
    assert_eq!(
        recorded(&settings, &request()),
        "12:00:00.007Z info  200 GET    /users/{id}                   1.234 ms    users id=req-1\n"
    );
}

#[test]
fn an_event_carries_its_fields_and_the_request_it_happened_in() {
    let text = event(&[], somebody, || {
        tracing::warn!(count = 3, ratio = 0.5, ok = true, name = "ada", kind = ?Some(1), "slow");
    });
    assert_eq!(
        text,
        format!(
            "{HEAD},\"level\":\"warn\",\"msg\":\"slow\",\"target\":\"mainstay::telemetry::tests\",\
             {IDS},\"count\":3,\"ratio\":0.5,\"ok\":true,\"name\":\"ada\",\"kind\":\"Some(1)\"}}\n"
        )
    );
}

#[test]
fn an_event_cannot_pass_for_another_request() {
    let text = event(&[], somebody, || tracing::info!(id = "forged", level = "error", "hello"));
    assert!(text.contains("\"field.id\":\"forged\",\"field.level\":\"error\""), "{text}");
    assert_eq!(text.matches("\"id\":").count(), 1, "{text}");
}

#[test]
fn numbers_that_json_lacks_are_text() {
    let text = event(&[], nobody, || tracing::info!(a = f64::NAN, b = f64::INFINITY, "odd"));
    assert!(text.contains("\"a\":\"NaN\",\"b\":\"inf\""), "{text}");
}

#[test]
fn an_error_field_tells_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot load")]
    struct CannotLoad(#[source] io::Error);

    let error = CannotLoad(io::Error::other("disk gone"));
    let error: &(dyn std::error::Error + 'static) = &error;
    let text = event(&[], nobody, || tracing::error!(error, "failed"));
    assert!(text.contains("\"error\":\"cannot load: disk gone\""), "{text}");
}

#[test]
fn directives_decide_which_events_are_logged() {
    let log = || {
        tracing::info!("kept");
        tracing::debug!("too detailed");
        tracing::info!(target: "hyper::proto", "too chatty");
        tracing::warn!(target: "hyper::proto", "kept");
    };
    let text = event(&[("RUST_LOG", "info,hyper=warn")], nobody, log);
    assert_eq!(text.matches("kept").count(), 2, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn a_value_that_logs_while_it_is_logged_does_no_harm() {
    struct Talkative;

    impl fmt::Display for Talkative {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("inner");
            f.write_str("outer")
        }
    }

    let tape = Tape::default();
    let log = log_on(&tape, &[], nobody);
    let line = RequestLine { cause: Some(&Talkative), ..request() };
    tracing::dispatcher::with_default(&log.dispatch(), || log.request_log().record(&line));
    assert!(log.flush(PATIENCE));
    let text = tape.text();
    assert!(text.contains("\"msg\":\"inner\"") && text.contains("\"cause\":\"outer\""), "{text}");
    assert_eq!(text.lines().count(), 2);
}

#[test]
fn a_file_is_appended_to() {
    let folder = tempfile::tempdir().expect("temporary folder is writable");
    let path = folder.path().join("service.log");
    std::fs::write(&path, "before\n").expect("temporary folder is writable");
    let config = config(&[("LOG_FILE", path.to_str().expect("UTF-8"))]);
    let log = Telemetry::new(&config, nobody).expect("the folder is writable");
    tracing::dispatcher::with_default(&log.dispatch(), || tracing::info!("after"));
    assert!(log.flush(PATIENCE));
    let text = std::fs::read_to_string(&path).expect("the file is there");
    assert!(text.starts_with("before\n{\"time\":"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_with_its_name() {
    let config = config(&[("LOG_FILE", "/nowhere/service.log")]);
    let error = Telemetry::new(&config, nobody).expect_err("there is no such folder");
    assert!(error.to_string().contains("/nowhere/service.log"), "{error}");
}
