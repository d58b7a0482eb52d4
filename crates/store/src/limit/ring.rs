//! One key's recent admissions: the sliding window, conservatively in sub-buckets.

use std::{collections::VecDeque, time::Duration};

use mainstay_core::{Outcome, Standing};

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

    /// The length of a sub-bucket.
    pub(super) fn width(self) -> Duration {
        Duration::from_nanos(self.width_ns)
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

impl Moment {
    /// The number of the sub-bucket.
    pub(super) fn tick(self) -> u32 {
        self.tick
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
    pub(super) fn decide(&mut self, grid: Grid, now: Moment, quota: u32, cost: u32) -> Standing {
        let judged = self.judge(grid, now, quota, cost);
        if judged.outcome != Outcome::Admitted || cost == 0 {
            return judged;
        }
        self.charge(now, cost);
        let remaining = quota.saturating_sub(self.total);
        Standing { remaining, reset_after: self.reset_after(grid, now, quota), ..judged }
    }

    /// Says what [`decide`](Self::decide) would, and charges nothing.
    pub(super) fn judge(&mut self, grid: Grid, now: Moment, quota: u32, cost: u32) -> Standing {
        self.forget(now);
        let remaining = quota.saturating_sub(self.total);
        let (outcome, retry_after) = match cost.saturating_sub(remaining) {
            0 => (Outcome::Admitted, Duration::ZERO),
            missing => (Outcome::Refused, self.until_released(grid, now, missing)),
        };
        let reset_after = self.reset_after(grid, now, quota);
        Standing { outcome, remaining, reset_after, retry_after }
    }

    fn reset_after(&self, grid: Grid, now: Moment, quota: u32) -> Duration {
        match quota.saturating_sub(self.total) {
            0 => self.until_released(grid, now, self.total.saturating_sub(quota) + 1),
            _ => Duration::ZERO,
        }
    }

    /// Until so many of the units have left the window, or all of them.
    fn until_released(&self, grid: Grid, now: Moment, units: u32) -> Duration {
        let mut released = 0_u32;
        let enough = self.older.iter().find(|bucket| {
            released = released.saturating_add(bucket.count);
            released >= units
        });
        let bucket = enough.unwrap_or(&self.newest);
        grid.until_release(now, now.tick.wrapping_sub(bucket.tick))
    }

    /// What counts now.
    pub(super) fn total(&mut self, now: Moment) -> u32 {
        self.forget(now);
        self.total
    }

    /// Whether nothing counts any more.
    pub(super) fn is_spent(&mut self, now: Moment) -> bool {
        self.total(now) == 0
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

    /// Charges whatever the quota is.
    pub(super) fn charge(&mut self, now: Moment, cost: u32) {
        if self.newest.tick != now.tick {
            if self.newest.count > 0 {
                self.older.push_back(self.newest);
            }
            self.newest = Bucket { tick: now.tick, count: 0 };
        }
        // Whoever charges beyond the quota may reach the end of the numbers.
        let cost = cost.min(u32::MAX - self.total);
        self.newest.count += cost;
        self.total += cost;
    }

    /// Takes back what was charged last.
    pub(super) fn uncharge(&mut self, cost: u32) {
        let cost = cost.min(self.newest.count);
        self.newest.count -= cost;
        self.total -= cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn at(seconds: f64, ring: &mut Ring, cost: u32) -> (bool, u32, f64) {
        let grid = Grid::new(WINDOW);
        let now = grid.moment(Duration::from_secs_f64(seconds));
        let standing = ring.decide(grid, now, 3, cost);
        let admitted = standing.outcome == Outcome::Admitted;
        (admitted, standing.remaining, standing.reset_after.as_secs_f64())
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
    fn a_cost_waits_until_as_much_is_released() {
        let grid = Grid::new(WINDOW);
        let mut ring = Ring::default();
        for seconds in [0.0, 10.0, 20.0] {
            at(seconds, &mut ring, 1);
        }
        for (cost, seconds) in [(1, 31.0), (2, 41.0), (3, 51.0), (4, 51.0)] {
            let standing = ring.judge(grid, grid.moment(Duration::from_secs(30)), 3, cost);
            assert_eq!(standing.retry_after, Duration::from_secs_f64(seconds), "{cost}");
        }
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
        assert_eq!(ring.decide(grid, last, 1, 1).outcome, Outcome::Admitted);
        assert_eq!(ring.decide(grid, next, 1, 1).outcome, Outcome::Refused);
    }
}
