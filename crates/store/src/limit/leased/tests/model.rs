//! The script in Rust, for a clock that a test sets.

use std::time::Duration;

use crate::limit::{
    leased::script::{Question, Reply},
    ring::BUCKETS,
};

/// One hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// Charges by sub-bucket, oldest first.
    charged: Vec<(i64, u32)>,
    now: i64,
    /// 0 before it is made.
    born: i64,
}

impl Model {
    /// What the script answers at this time of the server, in microseconds.
    pub(super) fn answer(
        &mut self,
        asked: &Question,
        [expected, divisor]: [u32; 2],
        clock: i64,
    ) -> Reply {
        let width = asked.grid.width().as_nanos().div_ceil(1000) as i64;
        let exists = self.born != 0;
        if exists {
            self.now = self.now.max(clock);
        } else {
            (self.now, self.born) = (clock, clock);
        }
        let bucket = self.now.div_euclid(width);
        self.charged.retain(|(charged, _)| bucket - charged <= i64::from(BUCKETS));
        let is_known = self.born as u64 == asked.known;
        if exists && is_known {
            for (charged, count) in &mut self.charged {
                if *charged == asked.back_to {
                    *count -= asked.back.min(*count);
                }
            }
        }
        let told = if is_known { asked.alone } else { asked.recent };
        self.charge(bucket, told);
        let left = asked.quota.saturating_sub(self.used());
        let ends = (bucket + 1) * width - self.now;
        let granted = if left < asked.need {
            0
        } else {
            let hoped = (f64::from(expected) * ends as f64 / width as f64).ceil() as u32;
            asked.waiting.max(hoped.min(left / divisor)).max(asked.need).min(left)
        };
        self.charge(bucket, granted);
        let left = left - granted;
        let wait = match granted < asked.need {
            true => self.released(asked.quota, asked.need, bucket, ends, width),
            false if left == 0 => self.released(asked.quota, 1, bucket, ends, width),
            false => 0,
        };
        Reply {
            granted,
            bucket,
            ends: Duration::from_micros(ends as u64),
            left,
            wait: Duration::from_micros(wait as u64),
            born: self.born as u64,
            clock,
        }
    }

    /// Loses its memory.
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    fn used(&self) -> u32 {
        self.charged.iter().map(|(_, count)| count).sum()
    }

    fn charge(&mut self, bucket: i64, units: u32) {
        match self.charged.last_mut() {
            Some((last, count)) if *last == bucket => *count += units,
            _ => self.charged.push((bucket, units)),
        }
    }

    /// Until so many units are free.
    fn released(&self, quota: u32, free: u32, bucket: i64, ends: i64, width: i64) -> i64 {
        let mut used = self.used();
        for (charged, count) in &self.charged {
            used -= count;
            if used + free <= quota {
                return ends + (charged + i64::from(BUCKETS) - bucket) * width;
            }
        }
        0
    }
}
