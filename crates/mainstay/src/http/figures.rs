//! What is counted about the calls of a client.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::StatusCode;
use mainstay_core::Histogram;

use crate::metrics;

/// Those of requests in `/metrics`, so that the two compare, but for the first: that is for answers
/// from memory.
const BOUNDS: &[Duration] = metrics::BOUNDS.split_at(1).1;

/// How a call ended: the class of the status, or why there was none. A set that is closed,
/// whatever another service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Redirection,
    ClientError,
    ServerError,
    /// Broken off, too long, or no HTTP.
    Invalid,
    Unreachable,
    TimedOut,
    Refused,
    /// Whoever made it did not wait for its end.
    Abandoned,
}

impl Ending {
    /// In the order of the page.
    pub(crate) const ALL: [Self; 9] = [
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Invalid,
        Self::Unreachable,
        Self::TimedOut,
        Self::Refused,
        Self::Abandoned,
    ];

    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500..600 => Self::ServerError,
            _ => Self::Invalid,
        }
    }

    /// The value of the label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Invalid => "invalid",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The counts of a client since its start.
#[derive(Debug)]
pub(crate) struct Figures {
    ended: [AtomicU64; Ending::ALL.len()],
    pub(crate) durations: Histogram,
    in_flight: AtomicU64,
    attempts: AtomicU64,
    retries: AtomicU64,
    exhausted: AtomicU64,
}

/// A call that is being made; dropped, it is abandoned.
#[derive(Debug)]
pub(super) struct Counted<'f> {
    figures: &'f Figures,
    began: Instant,
    ending: Ending,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            ended: Default::default(),
            durations: Histogram::new(BOUNDS),
            in_flight: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(&self) -> Counted<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        Counted { figures: self, began: Instant::now(), ending: Ending::Abandoned }
    }

    pub(super) fn attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn exhaust(&self) {
        self.exhausted.fetch_add(1, Relaxed);
    }

    /// Calls that ended so.
    pub(crate) fn ended(&self, ending: Ending) -> u64 {
        self.ended[ending as usize].load(Relaxed)
    }

    /// Calls that are being made.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Requests that were sent, or begun to be.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Relaxed)
    }

    /// Those of them that repeated another.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Those that the budget had nothing for.
    pub(crate) fn exhausted(&self) -> u64 {
        self.exhausted.load(Relaxed)
    }
}

impl Counted<'_> {
    pub(super) fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.figures.in_flight.fetch_sub(1, Relaxed);
        self.figures.ended[self.ending as usize].fetch_add(1, Relaxed);
        self.figures.durations.observe(self.began.elapsed());
    }
}
