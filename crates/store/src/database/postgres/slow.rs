//! Statements that took long the last time.

use std::{
    collections::HashSet,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// They run on a connection of their own until they are quick again. Statements are part of the
/// program, so there is an end to them.
#[derive(Debug, Default)]
pub(super) struct SlowStatements {
    /// Whether there are any: mostly there are none, and everybody asks.
    some: AtomicBool,
    known: RwLock<HashSet<&'static str>>,
}

impl SlowStatements {
    pub(super) fn contains(&self, sql: &'static str) -> bool {
        self.some.load(Ordering::Relaxed)
            && self.known.read().unwrap_or_else(PoisonError::into_inner).contains(sql)
    }

    pub(super) fn insert(&self, sql: &'static str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(sql);
        self.some.store(true, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, sql: &'static str) {
        if !self.contains(sql) {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(sql);
        self.some.store(!known.is_empty(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_as_slow_until_it_is_quick_again() {
        let slow = SlowStatements::default();
        assert!(!slow.contains("SELECT 1"));
        slow.insert("SELECT 1");
        slow.insert("SELECT 2");
        slow.remove("SELECT 1");
        assert_eq!((slow.contains("SELECT 1"), slow.contains("SELECT 2")), (false, true));
        slow.remove("SELECT 2");
        assert!(!slow.contains("SELECT 2"));
    }
}
