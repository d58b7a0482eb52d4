//! `Histogram`: how long something takes, counted in buckets. Writing it costs two additions; what
//! it is called and who reads it is decided elsewhere.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Durations by bucket. Any number of threads may add to it: there is no lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One for each bound, and one for what is longer than the last.
    counts: Box<[AtomicU64]>,
    /// In nanoseconds: enough for 584 years of waiting.
    sum: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The longest duration in each bucket but the last, which has no bound; ascending.
    pub bounds: &'static [Duration],
    /// How many durations fell into each bucket: one more than there are bounds.
    pub counts: Vec<u64>,
    /// All of them together.
    pub sum: Duration,
}

impl Histogram {
    /// Empty. The bounds ascend, and each is the longest duration in its bucket.
    pub fn new(bounds: &'static [Duration]) -> Self {
        debug_assert!(bounds.is_sorted(), "the bounds of a histogram ascend");
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Adds one duration.
    pub fn observe(&self, duration: Duration) {
        // There are few bounds, and most durations are short: a walk ends sooner than a bisection.
        let bucket = self.bounds.iter().position(|bound| duration <= *bound);
        let bucket = bucket.unwrap_or(self.bounds.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(duration.as_nanos() as u64, Ordering::Relaxed);
    }

    /// What it holds now. A duration that is added meanwhile may be in the counts and not yet in
    /// the sum.
    pub fn read(&self) -> Distribution {
        Distribution {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(10)];

    #[test]
    fn a_duration_belongs_to_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(BOUNDS);
        for micros in [0, 1000, 1001, 10_000, 10_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert_eq!(read.counts, [2, 2, 1]);
        assert_eq!(read.sum, Duration::from_micros(22_002));
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let histogram = Histogram::new(BOUNDS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| histogram.observe(BOUNDS[0])));
            }
        });
        let read = histogram.read();
        assert_eq!(read.counts, [40_000, 0, 0]);
        assert_eq!(read.sum, BOUNDS[0] * 40_000);
    }
}
