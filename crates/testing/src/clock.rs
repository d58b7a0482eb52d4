//! A clock that stands still until the test moves it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mainstay_core::{Clock, Timestamp};

/// Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<(Timestamp, Duration)>>);

impl ManualClock {
    /// Starts at the machine's present, so that identifiers made from it look like any other.
    #[expect(clippy::disallowed_methods, reason = "where the test's time starts does not matter")]
    pub fn new() -> Self {
        // To the microsecond, which is what databases keep.
        let now = Timestamp::now().as_microsecond();
        let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        Self(Arc::new(Mutex::new((now, Duration::ZERO))))
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.0 = time.0.checked_add(by).unwrap_or(Timestamp::MAX);
        time.1 += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
