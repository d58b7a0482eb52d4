//! Statements that took long the last times.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::lanes::HELD_UP;

/// How many times in a row: once may be the machine that stumbled.
const TIMES: u32 = 2;

/// They run on a connection of their own until they are quick again. Statements are part of the
/// program, so there is an end to them.
#[derive(Debug, Default)]
pub(super) struct SlowStatements {
    /// Whether there are any: mostly there are none, and everybody asks.
    some: AtomicBool,
    /// How many times in a row each of them was slow.
    known: RwLock<HashMap<&'static str, u32>>,
}

impl SlowStatements {
    pub(super) fn contains(&self, sql: &'static str) -> bool {
        self.some.load(Ordering::Relaxed) && self.times(sql) >= TIMES
    }

    /// Takes note of how long the server was at a statement.
    pub(super) fn note(&self, sql: &'static str, took: Duration) {
        let is_slow = took > HELD_UP;
        if !is_slow && (!self.some.load(Ordering::Relaxed) || self.times(sql) == 0) {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if is_slow {
            let times = known.entry(sql).or_default();
            *times = times.saturating_add(1);
        } else {
            known.remove(sql);
        }
        self.some.store(!known.is_empty(), Ordering::Relaxed);
    }

    fn times(&self, sql: &'static str) -> u32 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(sql).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_slow_after_the_second_time_until_it_is_quick_again() {
        let slow = SlowStatements::default();
        for (took, is_slow) in [(1, false), (100, false), (1, false), (100, false), (100, true)] {
            slow.note("SELECT 1", Duration::from_millis(took));
            assert_eq!(slow.contains("SELECT 1"), is_slow);
        }
        slow.note("SELECT 2", Duration::from_millis(1));
        assert!(slow.contains("SELECT 1") && !slow.contains("SELECT 2"));
        slow.note("SELECT 1", Duration::from_millis(1));
        assert!(!slow.contains("SELECT 1"));
    }
}
