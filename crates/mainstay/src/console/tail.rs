//! The live tail: the lines of requests as they end, as many as a person can read.

use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_core::{RequestLine, RequestLog};
use serde::Serialize;

use super::pulse::{Pulse, event};

/// Lines of a second. A person reads a few; what is above this scrolls away unread.
const SUCCESSES_PER_SECOND: u64 = 30;

/// Answers of 400 and above have places of their own, so that no number of successes hides them.
const FAILURES_PER_SECOND: u64 = 30;

/// What may still be told in this second.
#[derive(Default)]
pub(super) struct Budget {
    successes: AtomicU64,
    failures: AtomicU64,
}

impl Budget {
    /// Begins another second, and says how many lines were left out in the last one.
    pub(super) fn renew(&self) -> u64 {
        let over = |count: &AtomicU64, max| count.swap(0, Ordering::Relaxed).saturating_sub(max);
        over(&self.successes, SUCCESSES_PER_SECOND) + over(&self.failures, FAILURES_PER_SECOND)
    }

    fn take(&self, status: u16) -> bool {
        let (count, max) = match status {
            400.. => (&self.failures, FAILURES_PER_SECOND),
            _ => (&self.successes, SUCCESSES_PER_SECOND),
        };
        count.fetch_add(1, Ordering::Relaxed) < max
    }
}

/// What is told of a request. Who asked, and from where, is in the log.
#[derive(Serialize)]
struct Told<'a> {
    time: mainstay_core::Timestamp,
    id: &'a str,
    module: &'a str,
    method: &'a str,
    route: &'a str,
    status: u16,
    ms: f64,
    bytes_in: u64,
    bytes_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

impl RequestLog for Pulse {
    fn record(&self, line: &RequestLine<'_>) {
        if !self.is_watched() || !self.budget.take(line.status) {
            return;
        }
        let told = Told {
            time: line.time,
            id: line.id.as_str(),
            module: line.module,
            method: line.method,
            route: line.route,
            status: line.status,
            ms: line.duration.as_micros() as f64 / 1000.0,
            bytes_in: line.bytes_in,
            bytes_out: line.bytes_out,
            code: line.code.map(|code| code.name),
        };
        // Texts and numbers become JSON without fail.
        if let Ok(json) = serde_json::to_string(&told) {
            self.send(event("request", &json));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_successes_is_counted_and_hides_no_failure() {
        let budget = Budget::default();
        let told = (0..1000).filter(|_| budget.take(200)).count() as u64;
        assert_eq!(told, SUCCESSES_PER_SECOND);
        assert!(budget.take(500) && budget.take(404));
        assert_eq!(budget.renew(), 1000 - SUCCESSES_PER_SECOND);
        assert!(budget.take(200), "another second");
        assert_eq!(budget.renew(), 0);
    }
}
