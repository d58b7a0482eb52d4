//! Time as a dependency, so that rules about expiry are tested without waiting.

use std::{fmt::Debug, time::Duration};

use jiff::Timestamp;

/// Where a service reads the time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Wall-clock time: for expiry dates and records. May jump. Whole microseconds, which is what
    /// databases keep: what is answered now is what is read later.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start that never goes backwards: for windows and durations.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let micros = now.subsec_nanosecond() / 1_000;
        Timestamp::new(now.as_second(), micros * 1_000).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
