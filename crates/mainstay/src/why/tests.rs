//! What the recorder promises: its budget, a share for each class, and that what is asked for is
//! found.

mod budget;
mod classes;
mod finding;

use std::{net::IpAddr, time::Duration};

use mainstay_core::{
    Code, Kind, Recorded, RequestId, RequestLine, RequestLog as _, SpanId, StepKind, Steps,
    Timestamp, TraceContext, TraceId,
};

use super::{recorder::Recorder, wire::Kept};

/// The routes and methods of a service.
const WAYS: [(&str, &str); 4] =
    [("/users", "POST"), ("/users/{id}", "GET"), ("/raw", "*"), ("-", "GET")];

const TROUBLE: Code = Code::new("TROUBLE", Kind::Internal, "Something is wrong");

/// Sunday noon.
const START: i64 = 1_769_860_800_000;

/// A request that ends, and what its line borrows.
#[derive(Clone, Debug)]
struct Ended {
    id: String,
    trace: u128,
    way: usize,
    status: u16,
    /// After [`START`].
    at_ms: i64,
    duration: Duration,
    cause: String,
    steps: usize,
}

impl Ended {
    /// Usual, but for its status and its time.
    fn new(status: u16, at_ms: i64) -> Self {
        Self {
            id: format!("request-{at_ms}"),
            trace: 7,
            way: 1,
            status,
            at_ms,
            duration: Duration::from_millis(1),
            cause: String::new(),
            steps: 4,
        }
    }

    /// Takes so long.
    fn taking(self, duration: Duration) -> Self {
        Self { duration, ..self }
    }

    fn record(&self, recorder: &Recorder) {
        let trace = TraceContext {
            trace_id: TraceId(self.trace.to_be_bytes()),
            span_id: SpanId([1; 8]),
            parent_id: None,
            sampled: true,
            random: true,
            state: None,
        };
        let step = Recorded {
            kind: StepKind::Sql,
            name: "SELECT 1",
            parent: None,
            began: Duration::ZERO,
            waited: Duration::ZERO,
            took: Some(Duration::from_micros(1500)),
            outcome: "ok",
            failed: false,
            number: Some(1),
        };
        let steps = Steps { list: vec![step; self.steps], omitted: 0 };
        let (route, method) = WAYS[self.way];
        let cause = &self.cause;
        recorder.record(&RequestLine {
            time: Timestamp::from_millisecond(START + self.at_ms).expect("a time"),
            id: &RequestId::parse(&self.id).expect("an id"),
            trace: &trace,
            subject: None,
            module: "users",
            method,
            route,
            status: self.status,
            duration: self.duration,
            bytes_in: 0,
            bytes_out: 0,
            code: (self.status >= 400).then_some(TROUBLE),
            replayed: false,
            cause: (!cause.is_empty()).then_some(cause),
            client: IpAddr::from([203, 0, 113, 77]),
            steps: Some(&steps),
        });
    }
}

fn recorder(bytes_max: usize) -> Recorder {
    let now = Timestamp::from_millisecond(START).expect("a time");
    let recorder = Recorder::new(bytes_max, "accounts", "0.1.0", now);
    recorder.make_places(WAYS.into_iter());
    recorder
}

/// The ids of what is kept for a reason, newest first.
fn ids(recorder: &Recorder, kept: Kept) -> Vec<String> {
    let filter = super::recorder::Filter { kept: Some(kept), ..Default::default() };
    recorder.list(&filter, usize::MAX).into_iter().map(|record| record.id).collect()
}
