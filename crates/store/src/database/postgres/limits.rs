//! The time limits that the server keeps for us.

use std::time::Duration;

/// What a statement and a transaction may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) statement: Duration,
    /// The wait for a lock, within the statement's time.
    pub(super) lock: Duration,
    /// Between two statements of a transaction.
    pub(super) idle: Duration,
}

impl Limits {
    /// SQL that sets them for the rest of the session.
    pub(super) fn for_session(&self) -> String {
        self.set("SET")
    }

    /// SQL that begins a transaction and sets them for it alone, in one round trip.
    pub(super) fn begin(&self) -> String {
        format!("BEGIN; {}", self.set("SET LOCAL"))
    }

    fn set(&self, set: &str) -> String {
        format!(
            "{set} statement_timeout = {}; {set} lock_timeout = {}; \
             {set} idle_in_transaction_session_timeout = {}",
            millis(self.statement),
            millis(self.lock),
            millis(self.idle),
        )
    }
}

/// For a setting of the server, where 0 means never.
pub(super) fn millis(limit: Duration) -> u128 {
    limit.as_millis().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_ever_none() {
        let limits = Limits {
            statement: Duration::from_micros(10),
            lock: Duration::ZERO,
            idle: Duration::from_secs(1),
        };
        assert_eq!(
            limits.begin(),
            "BEGIN; SET LOCAL statement_timeout = 1; SET LOCAL lock_timeout = 1; \
             SET LOCAL idle_in_transaction_session_timeout = 1000"
        );
    }
}
