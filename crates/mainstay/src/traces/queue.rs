//! Requests that wait to be exported: bounded by number and by memory, and never waited for.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::kept::Kept;

/// Spans of one batch: `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` of OpenTelemetry
/// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>). The last
/// request of a batch is not split, so a batch may have as many more as a request has.
pub(super) const BATCH_SPANS: usize = 512;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A batch is complete.
    complete: Notify,
    requests_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Kept>,
    spans: usize,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(requests_max: usize, bytes_max: usize) -> Self {
        let (state, complete) = (Mutex::default(), Notify::new());
        Self { state, complete, requests_max, bytes_max }
    }

    /// Takes a request if there is room for it. Only a short lock, under which nobody waits.
    pub(super) fn offer(&self, request: Kept) -> bool {
        let mut state = self.state();
        let bytes = state.bytes + request.bytes();
        if state.requests.len() >= self.requests_max || bytes > self.bytes_max {
            return false;
        }
        let before = state.spans;
        state.spans += request.spans();
        state.bytes = bytes;
        state.requests.push_back(request);
        let is_complete = before < BATCH_SPANS && state.spans >= BATCH_SPANS;
        drop(state);
        if is_complete {
            self.complete.notify_one();
        }
        true
    }

    /// Waits until a batch is complete.
    pub(super) async fn completed(&self) {
        while self.spans() < BATCH_SPANS {
            self.complete.notified().await;
        }
    }

    /// The oldest requests, with the spans of one batch at most.
    pub(super) fn take(&self) -> Vec<Kept> {
        let mut state = self.state();
        let (mut batch, mut spans) = (Vec::new(), 0);
        while spans < BATCH_SPANS
            && let Some(request) = state.requests.pop_front()
        {
            spans += request.spans();
            state.bytes -= request.bytes();
            batch.push(request);
        }
        state.spans -= spans;
        batch
    }

    /// Spans that wait.
    pub(super) fn spans(&self) -> usize {
        self.state().spans
    }

    /// No code that can panic runs under the lock, so a poisoned one holds a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
