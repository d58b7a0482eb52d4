//! One pass over the head of a request: everything the edge wants to know from it.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use mainstay_core::{Journal, RequestId, SpanId, Timestamp, TraceContext, TraceId, TraceState};

use super::{EdgeOptions, Sampler, head};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Seconds (a decimal number) the caller still has for this request. It can only shorten the
/// route's deadline.
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("request-timeout");

/// What the headers say.
pub(super) struct Arrival {
    /// The ids, and from now on what is done.
    pub(super) journal: Journal,
    pub(super) host: Host,
    /// What `Request-Timeout` asks for.
    pub(super) time_asked: Option<Duration>,
    /// Whether there is an `If-None-Match` to look at.
    pub(super) is_conditional: bool,
}

/// What became of `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Missing,
    Valid,
    Invalid,
}

/// A header that should be there at most once.
#[derive(Clone, Copy)]
enum Occurs<'h> {
    Never,
    Once(&'h HeaderValue),
    Repeatedly,
}

impl<'h> Occurs<'h> {
    fn see(&mut self, value: &'h HeaderValue) {
        *self = match self {
            Self::Never => Self::Once(value),
            _ => Self::Repeatedly,
        };
    }

    /// The text of a header that is there exactly once.
    fn text(self) -> Option<&'h str> {
        match self {
            Self::Once(value) => value.to_str().ok(),
            _ => None,
        }
    }
}

impl Arrival {
    pub(super) fn read(
        headers: &HeaderMap,
        time: Timestamp,
        began: Instant,
        options: &EdgeOptions,
    ) -> Self {
        let [mut host, mut id, mut traceparent, mut timeout] = [Occurs::Never; 4];
        let mut is_conditional = false;
        for (name, value) in headers {
            // The names of RFC 9110 compare as numbers, the others by their length first.
            if *name == header::HOST {
                host.see(value);
            } else if *name == header::IF_NONE_MATCH {
                is_conditional = true;
            } else if *name == X_REQUEST_ID {
                id.see(value);
            } else if *name == TRACEPARENT {
                traceparent.see(value);
            } else if *name == REQUEST_TIMEOUT {
                timeout.see(value);
            }
        }
        let id = id.text().and_then(RequestId::parse).unwrap_or_else(|| generated_id(time));
        Self {
            journal: Journal::begun(
                began,
                id,
                trace(traceparent.text(), headers, &options.sampler),
                options.records_steps,
            ),
            host: match host {
                Occurs::Never => Host::Missing,
                Occurs::Once(value) if head::is_host(value.as_bytes()) => Host::Valid,
                _ => Host::Invalid,
            },
            time_asked: timeout.text().and_then(|text| {
                Duration::try_from_secs_f64(text.trim().parse::<f64>().ok()?).ok()
            }),
            is_conditional,
        }
    }
}

/// A `UUIDv7`: it sorts by time.
fn generated_id(time: Timestamp) -> RequestId {
    // The bits need not be unpredictable: an id grants nothing.
    let random = fastrand::u128(..).to_be_bytes();
    let mut bits = [0; 10];
    bits.copy_from_slice(&random[..10]);
    let ms = time.as_millisecond().max(0) as u64;
    RequestId::from_uuid(uuid::Builder::from_unix_timestamp_millis(ms, &bits).into_uuid())
}

/// The caller's trace if its `traceparent` is valid, else a new one; always a new span.
fn trace(traceparent: Option<&str>, headers: &HeaderMap, sampler: &Sampler) -> TraceContext {
    let span_id = SpanId(fastrand::u64(1..).to_be_bytes());
    // HTTP/1.1 strips this space before it gets here, and HTTP/2 does not.
    let given = traceparent.map(|text| text.trim_matches([' ', '\t']));
    let given = given.and_then(|text| TraceContext::continued(text, span_id).ok());
    if let Some(continued) = given {
        let is_kept = sampler.continues(continued.sampled);
        return TraceContext { state: trace_state(headers), sampled: is_kept, ..continued };
    }
    let trace_id = TraceId(fastrand::u128(1..).to_be_bytes());
    TraceContext {
        trace_id,
        span_id,
        parent_id: None,
        sampled: sampler.begins(trace_id),
        random: true,
        state: None,
    }
}

/// A header that is no text spoils the whole, as any other mistake does.
fn trace_state(headers: &HeaderMap) -> Option<TraceState> {
    let values = headers.get_all(TRACESTATE);
    TraceState::parse(values.iter().map(|value| value.to_str().unwrap_or("\u{fffd}")))
}
