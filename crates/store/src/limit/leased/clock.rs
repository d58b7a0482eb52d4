//! The clock of Redis, watched: a step forward would make it forget admissions too early.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::limit::ring::BUCKETS;

/// Less than that is no step: the sub-bucket of the shortest window, 1 s.
const STEP_MIN_US: i64 = 16_000;

/// What a clock that is set right by degrees may gain in a million: the bound of ntpd.
const DRIFT_PER_MILLION: i64 = 500;

/// After that no window is left that a step could have shortened.
const REMEMBERED: Duration = Duration::from_hours(25);

/// Compares the clock of Redis with this process's monotonic one, by each answer.
///
/// The clock was read after the question was sent and before the answer came, so the difference
/// lies between two bounds. When its lower bound exceeds the least upper bound so far, the clock
/// has stepped forward by as much at least. A step back is absorbed by the script, whose time
/// never goes back.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<State>>);

struct State {
    /// The least upper bound of the difference, in microseconds, and when it was learned.
    upper: i64,
    at: Duration,
    /// Steps, summed up, and when the last was seen.
    stepped: i64,
    stepped_at: Duration,
}

impl Watch {
    /// Looks at the clock of an answer; gives the length of a step, when there was one.
    pub(super) fn look(&self, clock_us: i64, sent: Duration, now: Duration) -> Option<Duration> {
        let micros = |time: Duration| time.as_micros() as i64;
        let (lower, upper) = (clock_us - micros(now), clock_us - micros(sent));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = &mut *state else {
            let (stepped, stepped_at) = (0, Duration::ZERO);
            *state = Some(State { upper, at: now, stepped, stepped_at });
            return None;
        };
        let passed = micros(now.saturating_sub(state.at));
        let known = state.upper.saturating_add(passed / 1_000_000 * DRIFT_PER_MILLION);
        let step = lower.saturating_sub(known);
        (state.upper, state.at) = (known.min(upper), now);
        if step <= STEP_MIN_US {
            return None;
        }
        state.upper = upper;
        let forgotten = now.saturating_sub(state.stepped_at) > REMEMBERED;
        state.stepped = if forgotten { step } else { state.stepped.saturating_add(step) };
        state.stepped_at = now;
        Some(Duration::from_micros(step as u64))
    }

    /// Whether the clock has stepped so far within this window that Redis may have forgotten what
    /// still counts: by more than a sub-bucket.
    pub(super) fn is_stepped(&self, now: Duration, width: Duration) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.as_ref().is_some_and(|state| {
            let is_recent = now < state.stepped_at + width * (BUCKETS + 1);
            state.stepped > width.as_micros() as i64 && is_recent
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: Duration = Duration::from_secs(1);

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// An answer that came 4 ms after the question, from a clock this far ahead.
    fn look(watch: &Watch, at_ms: u64, ahead_ms: i64) -> Option<Duration> {
        let sent = millis(at_ms);
        watch.look((at_ms as i64 + 2 + ahead_ms) * 1000, sent, sent + millis(4))
    }

    #[test]
    fn a_step_forward_is_seen_and_holds_for_the_windows_that_it_shortens() {
        let watch = Watch::default();
        assert_eq!(look(&watch, 1000, 0), None);
        assert_eq!(look(&watch, 2000, 1), None);
        let step = look(&watch, 3000, 30_000).expect("half a minute");
        assert!(step > millis(29_990) && step <= millis(30_000), "{step:?}");
        assert!(watch.is_stepped(millis(3004), WIDTH));
        assert!(watch.is_stepped(millis(3004) + WIDTH * 60, WIDTH));
        assert!(!watch.is_stepped(millis(3004) + WIDTH * 61, WIDTH));
        assert!(!watch.is_stepped(millis(3004), millis(30_001)), "less than a sub-bucket");
        assert_eq!(look(&watch, 4000, 30_000), None, "told once");
    }

    #[test]
    fn small_steps_add_up_and_steps_back_are_none() {
        let watch = Watch::default();
        look(&watch, 1000, 0);
        for (n, ahead) in [(2, 30), (3, 60), (4, 90)] {
            assert!(look(&watch, n * 1000, ahead).is_some());
        }
        assert!(watch.is_stepped(millis(4010), millis(70)));
        let watch = Watch::default();
        for (n, ahead) in [(1, 0), (2, -30_000), (3, -30_000)] {
            assert_eq!(look(&watch, n * 1000, ahead), None);
        }
        assert!(!watch.is_stepped(millis(3010), millis(17)));
    }

    #[test]
    fn a_clock_that_is_set_right_by_degrees_and_a_slow_network_are_no_steps() {
        let watch = Watch::default();
        for second in 1..3600_u64 {
            let ahead_us = second as i64 * 400;
            let sent = Duration::from_secs(second);
            let late = millis(second % 40);
            let clock = sent.as_micros() as i64 + ahead_us;
            assert_eq!(watch.look(clock, sent, sent + late), None, "{second}");
        }
    }
}
