//! The client over real connections, to a server that answers as a test says.

mod breaker;
mod carry;
mod errors;
mod hostile;
mod measured;
mod repeat;
mod server;
mod tls;

use std::{error::Error, fmt::Write as _, sync::Arc, time::Duration};

use mainstay_core::{Journal, RequestId, SpanId, TraceContext, TraceId, Work};

use super::*;

/// The bound on everything that should happen soon; only a failing test waits this long.
const SOON: Duration = Duration::from_secs(20);

/// Waits are short, and no breaker stands between a test and what it looks at.
fn options() -> ClientOptions {
    ClientOptions {
        attempt_timeout: SOON,
        timeout: SOON,
        backoff: Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) },
        retry_budget: RetryBudget { ratio: 0.1, floor_per_second: 10.0 },
        breaker: None,
        ..ClientOptions::default()
    }
}

fn client(server: &server::Scripted, options: ClientOptions) -> Client {
    Client::new("billing", server.base(), options)
}

/// A request that is recorded and has some time left.
fn request(left: Duration) -> (Journal, Work) {
    let trace = TraceContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        parent_id: None,
        sampled: true,
        random: false,
        state: None,
    };
    let id = RequestId::parse("request-7").expect("well formed");
    let journal = Journal::new(id, trace, true);
    let work = Work::new(std::time::Instant::now() + left, Arc::from("GET /orders"));
    (journal.clone(), work.recorded_in(journal))
}

/// Everything that an error shows to whoever prints it.
fn shown(error: &CallError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(inner) = source {
        // Writing to a `String` cannot fail.
        let _ = write!(text, " {inner} {inner:?}");
        source = inner.source();
    }
    text
}

/// Outcome, number and failure of each step.
fn steps(journal: &Journal) -> Vec<(&'static str, Option<i64>, bool)> {
    let steps = journal.take().expect("recorded").list;
    steps.iter().map(|step| (step.outcome, step.number, step.failed)).collect()
}
