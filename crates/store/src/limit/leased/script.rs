//! The script that counts inside Redis: what it is asked, and what it answers.

use std::time::Duration;

use redis::Script;

use crate::{
    limit::ring::Grid,
    redis::{Link, RedisFailure},
};

/// Above this part of what is left no process takes a lease beyond what waits for it: 1/4 of its
/// equal share, so that several leases of everybody fit in before anything is short.
const SHARES: u32 = 4;

/// A process whose requests are refused spends whatever it gets, soon, so it takes as much as two
/// sub-buckets use, whatever is left. That halves its questions at ten times the quota.
const EAGERNESS_WHEN_SHORT: u32 = 2;

/// A question about one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) grid: Grid,
    pub(super) quota: u32,
    /// Units that the asker needs. Less is of no use.
    pub(super) need: u32,
    /// Units that are waited for, those included.
    pub(super) waiting: u32,
    /// Units that a whole sub-bucket will take, by what came last.
    pub(super) expected: u32,
    /// Whether requests have been refused of late.
    pub(super) is_short: bool,
    /// The hash known from the last answer; 0 for none.
    pub(super) known: u64,
    /// What is left of a lease, and where it was charged.
    pub(super) back: u32,
    pub(super) back_to: i64,
    /// Units admitted that Redis does not know of.
    pub(super) alone: u32,
    /// Units admitted in the last window.
    pub(super) recent: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Units granted: 0, or at least those needed.
    pub(super) granted: u32,
    /// The sub-bucket they are charged to.
    pub(super) bucket: i64,
    /// From the moment of the answer until that ends.
    pub(super) ends: Duration,
    /// Units left to everybody.
    pub(super) left: u32,
    /// Until the asker may have what it needs, or, when it has it, until there is more than none.
    pub(super) wait: Duration,
    /// Tells the hash from one that was lost.
    pub(super) born: u64,
    /// The clock of the server, in microseconds.
    pub(super) clock: i64,
}

/// The answer as it comes: two of its numbers do not fit into Lua's integers.
type Answer = (u32, i64, u64, u32, u64, String, String);

pub(super) struct Counting {
    script: Script,
    processes: u32,
}

impl Counting {
    /// `processes` share a limit, and nothing breaks when they are more.
    pub(super) fn new(processes: u32) -> Self {
        Self { script: Script::new(include_str!("script.lua")), processes: processes.max(1) }
    }

    /// The units that a whole sub-bucket may have, and the divisor of what is left that bounds
    /// them.
    pub(super) fn wish(&self, question: &Question) -> [u32; 2] {
        let expected = question.expected;
        if question.is_short {
            // One request in a sub-bucket does not promise another in the next.
            return [expected.saturating_sub(1).saturating_mul(EAGERNESS_WHEN_SHORT), 1];
        }
        [expected, self.processes.saturating_mul(SHARES)]
    }

    pub(super) async fn ask(
        &self,
        link: &Link,
        key: &str,
        question: &Question,
    ) -> Result<Reply, RedisFailure> {
        let [expected, divisor] = self.wish(question);
        let mut invocation = self.script.key(key);
        invocation
            .arg(width_us(question.grid))
            .arg(question.quota)
            .arg(question.need)
            .arg(question.waiting)
            .arg(expected)
            .arg(divisor)
            .arg(question.known)
            .arg(question.back_to)
            .arg(question.back)
            .arg(question.alone)
            .arg(question.recent);
        let answer: Answer = link.script(&invocation).await?;
        let (granted, bucket, ends, left, wait, born, clock) = answer;
        Ok(Reply {
            granted,
            bucket,
            ends: Duration::from_micros(ends),
            left,
            wait: Duration::from_micros(wait),
            born: born.parse().unwrap_or(0),
            clock: clock.parse().unwrap_or(0),
        })
    }
}

/// Rounded up: a window may be longer by 60 µs, and never shorter.
fn width_us(grid: Grid) -> u64 {
    grid.width().as_nanos().div_ceil(1000) as u64
}
