//! From a request to spans: its own, and one for each step.

use std::time::Duration;

use bytes::Bytes;
use mainstay_core::{Recorded, SpanId, StepId, StepKind, TraceContext};

use super::{
    kept::Kept,
    otlp::{KeyValue, Span, SpanKind, Status, StatusCode, Value, flag},
    statement,
};

/// Appends the spans of a request. `database` is a name of `db.system.name`.
pub(super) fn append(request: &Kept, database: &'static str, spans: &mut Vec<Span>) {
    let began = u64::try_from(request.time.as_nanosecond()).unwrap_or_default();
    let trace_id = Bytes::copy_from_slice(&request.trace.trace_id.0);
    let trace = &request.trace;
    let frame = Frame { trace, trace_id, began, took: request.duration, database };
    spans.push(frame.request(request));
    spans.extend(request.steps.numbered().map(|(id, step)| frame.step(id, step)));
}

/// What the spans of a request have in common.
struct Frame<'r> {
    trace: &'r TraceContext,
    trace_id: Bytes,
    /// Nanoseconds since 1970.
    began: u64,
    took: Duration,
    database: &'static str,
}

impl Frame<'_> {
    fn request(&self, request: &Kept) -> Span {
        // Names of the conventions for what is none of the usual methods.
        let (method, verb) = match request.method {
            "OTHER" => ("_OTHER", "HTTP"),
            method => (method, method),
        };
        let route = (request.route != "-").then_some(request.route);
        let failed = request.status >= 500;
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(request.status)),
            KeyValue::new("mainstay.request_id", request.id.as_str().to_owned()),
            KeyValue::new("mainstay.module", request.module),
        ];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
        attributes.extend(request.code.map(|code| KeyValue::new("mainstay.code", code)));
        if failed {
            let number = || Value::from(request.status.to_string());
            let error = request.code.map_or_else(number, Value::from);
            attributes.push(KeyValue::new("error.type", error));
        }
        let subject = request.subject.map(|subject| subject.to_string());
        attributes.extend(subject.map(|subject| KeyValue::new("enduser.pseudo.id", subject)));
        if request.replayed {
            attributes.push(KeyValue::new("mainstay.replayed", true));
        }
        if request.steps.omitted > 0 {
            let omitted = i64::from(request.steps.omitted);
            attributes.push(KeyValue::new("mainstay.steps_omitted", omitted));
        }
        let remote = if self.trace.parent_id.is_some() { flag::IS_REMOTE } else { 0 };
        Span {
            kind: SpanKind::Server.into(),
            name: route.map_or(Bytes::from_static(verb.as_bytes()), |route| {
                format!("{verb} {route}").into()
            }),
            parent_span_id: self.trace.parent_id.map_or_else(Bytes::new, bytes_of),
            attributes,
            status: status(failed),
            flags: self.flags() | remote,
            ..self.span(self.trace.span_id, Duration::ZERO, self.took)
        }
    }

    fn step(&self, id: StepId, step: &Recorded) -> Span {
        let parent = step.parent.map_or(self.trace.span_id, |id| self.trace.span_of(id));
        let Described { name, kind, mut attributes } = describe(step, self.database);
        attributes.push(KeyValue::new("mainstay.step", step.kind.as_str()));
        // One that has not ended with the request is work that nobody waited for.
        let outcome = if step.took.is_some() { step.outcome } else { "unfinished" };
        attributes.push(KeyValue::new("mainstay.outcome", outcome));
        if step.failed {
            attributes.push(KeyValue::new("error.type", outcome));
        }
        if !step.waited.is_zero() {
            let waited = step.waited.as_micros() as f64 / 1e3;
            attributes.push(KeyValue::new("mainstay.waited_ms", waited));
        }
        let ended = step.took.map_or(self.took.max(step.began), |took| step.began + took);
        Span {
            kind: kind.into(),
            name,
            parent_span_id: bytes_of(parent),
            attributes,
            status: status(step.failed),
            ..self.span(self.trace.span_of(id), step.began, ended)
        }
    }

    /// A span without a name. Its times count from the beginning of the request.
    fn span(&self, id: SpanId, from: Duration, to: Duration) -> Span {
        let at = |since: Duration| self.began.saturating_add(since.as_nanos() as u64);
        Span {
            trace_id: self.trace_id.clone(),
            span_id: bytes_of(id),
            flags: self.flags(),
            start_time_unix_nano: at(from),
            end_time_unix_nano: at(to),
            ..Span::default()
        }
    }

    fn flags(&self) -> u32 {
        let [.., _, last] = self.trace.traceparent();
        u32::from(last - b'0') | flag::HAS_IS_REMOTE
    }
}

fn bytes_of(id: SpanId) -> Bytes {
    Bytes::copy_from_slice(&id.0)
}

/// An error, or nothing: `Ok` is for people who have looked into it.
fn status(failed: bool) -> Option<Status> {
    failed.then(|| Status { code: StatusCode::Error.into() })
}

/// What the conventions say about a kind of step.
struct Described {
    name: Bytes,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
}

fn describe(step: &Recorded, database: &'static str) -> Described {
    let counted = |key| step.number.map(|number| KeyValue::new(key, number));
    let (name, kind, attributes) = match step.kind {
        StepKind::Sql => {
            let summary = Bytes::from(statement::summary(step.name));
            let mut attributes = vec![
                KeyValue::new("db.system.name", database),
                KeyValue::new("db.query.text", step.name),
                KeyValue::new("db.query.summary", summary.clone()),
            ];
            // Rows that were written were not returned.
            let is_read = summary.starts_with(b"SELECT");
            let rows = if is_read { "db.response.returned_rows" } else { "mainstay.rows" };
            attributes.extend(counted(rows));
            (summary, SpanKind::Client, attributes)
        }
        StepKind::Redis => {
            let system = KeyValue::new("db.system.name", "redis");
            (Bytes::from_static(step.name.as_bytes()), SpanKind::Client, vec![system])
        }
        StepKind::Outbound => {
            let mut attributes = vec![KeyValue::new("service.peer.name", step.name)];
            attributes.extend(counted("http.response.status_code"));
            (Bytes::from_static(step.name.as_bytes()), SpanKind::Client, attributes)
        }
        kind => {
            let key = match kind {
                StepKind::Limit => "mainstay.remaining",
                StepKind::Flags => "mainstay.flags",
                _ => "mainstay.number",
            };
            let name = format!("{} {}", kind.as_str(), step.name);
            (name.into(), SpanKind::Internal, counted(key).into_iter().collect())
        }
    };
    Described { name, kind, attributes }
}

#[cfg(test)]
mod tests;
