//! What a call carries of the request that it is made for: its trace, its id, its time.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mainstay_core::{Journal, StepId, TraceContext};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Seconds, as a decimal number: the other edge gives up then.
pub(super) const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("request-timeout");

/// Sets the headers of one attempt. Its span is that of its step, or the request's own where steps
/// are not recorded. Outside of a request there are no ids to carry, and the other service makes
/// its own.
pub(super) fn set(
    headers: &mut HeaderMap,
    journal: Option<&Journal>,
    step: Option<StepId>,
    left: Duration,
) {
    // Digits and a point are always a value.
    if let Ok(left) = HeaderValue::try_from(format!("{:.3}", left.as_secs_f64())) {
        headers.insert(REQUEST_TIMEOUT, left);
    }
    let Some(journal) = journal else { return };
    let trace = journal.trace();
    let span_id = step.map_or(trace.span_id, |step| trace.span_of(step));
    let traceparent = TraceContext { span_id, ..trace.clone() }.traceparent();
    for (name, value) in [
        (TRACEPARENT, Some(&traceparent[..])),
        (TRACESTATE, trace.state.as_ref().map(|state| state.as_str().as_bytes())),
        (X_REQUEST_ID, Some(journal.id().as_bytes())),
    ] {
        // All three were checked when they came in.
        if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
}
