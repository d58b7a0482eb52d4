//! A request that is exported: its line and its steps, as a value of its own.

use std::{mem::size_of, time::Duration};

use mainstay_core::{Recorded, RequestId, RequestLine, Steps, Subject, Timestamp, TraceContext};

/// What is copied of a request line. The private cause of a failure and the client's address are
/// not: a trace goes further than a log, and neither is needed to find the line.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) time: Timestamp,
    pub(super) duration: Duration,
    pub(super) id: RequestId,
    /// Without the `tracestate`, which is others' and may hold anything.
    pub(super) trace: TraceContext,
    pub(super) subject: Option<Subject>,
    pub(super) module: &'static str,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
    pub(super) replayed: bool,
    pub(super) steps: Steps,
}

impl Kept {
    /// Whether a request is exported: its trace is kept, or it failed.
    pub(super) const fn is_kept(line: &RequestLine<'_>) -> bool {
        line.trace.sampled || line.status >= 500
    }

    pub(super) fn copy(line: &RequestLine<'_>) -> Self {
        let TraceContext { trace_id, span_id, parent_id, sampled, random, .. } = *line.trace;
        Self {
            time: line.time,
            duration: line.duration,
            id: line.id.clone(),
            trace: TraceContext { trace_id, span_id, parent_id, sampled, random, state: None },
            subject: line.subject,
            module: line.module,
            method: line.method,
            route: line.route,
            status: line.status,
            code: line.code.map(|code| code.name),
            replayed: line.replayed,
            steps: line.steps.cloned().unwrap_or_default(),
        }
    }

    /// Its own span, and one for each step.
    pub(super) const fn spans(&self) -> usize {
        1 + self.steps.list.len()
    }

    /// The memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        let steps = self.steps.list.capacity() * size_of::<Recorded>();
        size_of::<Self>() + self.id.as_bytes().len() + steps
    }
}
