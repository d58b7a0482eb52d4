//! One key's recent admissions: the sliding window, conservatively in sub-buckets.

use std::{collections::VecDeque, time::Duration};

use mainstay_core::Decision;

/// Sub-buckets of a window. 60: a bucket counts up to 1/60 of the window longer than it must,
/// which costs at most 1/61 of the quota; ten would cost 9 %.
pub(super) const BUCKETS: u32 = 60;

/// A window as a grid of ticks, one for each sub-bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    width_ns: u64,
}

/// A moment on a grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Wraps; only differences are used. After a wrap (two years with a window of 1 s) a bucket
    /// that nobody has touched since may count once more, which errs on the safe side.
    tick: u32,
    into_ns: u64,
}

impl Grid {
    /// Rounds the window up to whole ticks: by less than 60 ns, and to the safe side.
    pub(super) fn new(window: Duration) -> Self {
        Self { width_ns: nanoseconds(window).div_ceil(BUCKETS.into()).max(1) }
    }

    pub(super) fn moment(self, now: Duration) -> Moment {
        let now = nanoseconds(now);
        Moment { tick: (now / self.width_ns) as u32, into_ns: now % self.width_ns }
    }

    /// From `now` until a bucket of this age lies wholly outside the window.
    fn until_release(self, now: Moment, age: u32) -> Duration {
        let ticks = u64::from((BUCKETS + 1).saturating_sub(age));
        Duration::from_nanos((ticks * self.width_ns).saturating_sub(now.into_ns))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    tick: u32,
    count: u32,
}

/// Admissions by bucket, and nothing for buckets without any.
///
/// A bucket counts until it lies wholly outside the window that ends now. Whatever was admitted in
/// the last window is therefore in the total, so at most `quota` units are admitted in *any*
/// interval of that length.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    /// The bucket charged last. Apart, so that a key that keeps to one bucket allocates nothing.
    newest: Bucket,
    /// Earlier ones, oldest first.
    older: VecDeque<Bucket>,
    total: u32,
}

impl Ring {
    /// Decides at `now` and charges what is admitted.
    pub(super) fn decide(&mut self, grid: Grid, now: Moment, quota: u32, cost: u32) -> Decision {
        self.forget(now);
        let admitted = self.total.checked_add(cost).is_some_and(|total| total <= quota);
        if admitted && cost > 0 {
            self.charge(now, cost);
        }
        let remaining = quota.saturating_sub(self.total);
        let reset_after = match remaining {
            0 => grid.until_release(now, now.tick.wrapping_sub(self.oldest().tick)),
            _ => Duration::ZERO,
        };
        Decision { admitted, remaining, reset_after }
    }

    /// Whether nothing counts any more.
    pub(super) fn is_spent(&mut self, now: Moment) -> bool {
        self.forget(now);
        self.total == 0
    }

    fn forget(&mut self, now: Moment) {
        let gone = |bucket: &Bucket| now.tick.wrapping_sub(bucket.tick) > BUCKETS;
        while let Some(bucket) = self.older.front().copied().filter(gone) {
            self.older.pop_front();
            self.total -= bucket.count;
        }
        if gone(&self.newest) {
            self.total -= self.newest.count;
            self.newest.count = 0;
        }
    }

    fn charge(&mut self, now: Moment, cost: u32) {
        if self.newest.tick != now.tick {
            if self.newest.count > 0 {
                self.older.push_back(self.newest);
            }
            self.newest = Bucket { tick: now.tick, count: 0 };
        }
        self.newest.count += cost;
        self.total += cost;
    }

    fn oldest(&self) -> Bucket {
        self.older.front().copied().unwrap_or(self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn at(seconds: f64, ring: &mut Ring, cost: u32) -> (bool, u32, f64) {
        let grid = Grid::new(WINDOW);
        let now = grid.moment(Duration::from_secs_f64(seconds));
        let decision = ring.decide(grid, now, 3, cost);
        (decision.admitted, decision.remaining, decision.reset_after.as_secs_f64())
    }

    #[test]
    fn a_unit_is_released_when_its_bucket_has_left_the_window() {
        let mut ring = Ring::default();
        assert_eq!(at(0.5, &mut ring, 1), (true, 2, 0.0));
        // Released with its bucket's end: at 1 s + 60 s.
        assert_eq!(at(10.25, &mut ring, 2), (true, 0, 50.75));
        assert_eq!(at(60.75, &mut ring, 1), (false, 0, 0.25));
        assert_eq!(at(61.0, &mut ring, 1), (true, 0, 10.0));
        assert_eq!(at(70.5, &mut ring, 2), (false, 0, 0.5));
        assert_eq!(at(71.0, &mut ring, 2), (true, 0, 51.0));
    }

    #[test]
    fn a_cost_is_admitted_whole_or_not_at_all() {
        let mut ring = Ring::default();
        assert_eq!(at(0.0, &mut ring, 4), (false, 3, 0.0));
        assert_eq!(at(0.0, &mut ring, 2), (true, 1, 0.0));
        assert_eq!(at(0.0, &mut ring, 2), (false, 1, 0.0));
        assert_eq!(at(0.0, &mut ring, u32::MAX), (false, 1, 0.0));
        assert_eq!(at(0.0, &mut ring, 0), (true, 1, 0.0));
    }

    #[test]
    fn asking_for_nothing_is_free() {
        let mut ring = Ring::default();
        assert_eq!(at(5.0, &mut ring, 0), (true, 3, 0.0));
        assert_eq!(at(6.0, &mut ring, 3), (true, 0, 61.0));
        assert_eq!(at(6.5, &mut ring, 0), (true, 0, 60.5));
    }

    #[test]
    fn a_clock_that_wraps_does_not_lose_a_charge() {
        let grid = Grid::new(WINDOW);
        let mut ring = Ring::default();
        let last = Moment { tick: u32::MAX, into_ns: 0 };
        let next = Moment { tick: 0, into_ns: 0 };
        assert!(ring.decide(grid, last, 1, 1).admitted);
        assert!(!ring.decide(grid, next, 1, 1).admitted);
    }
}
