//! What sessions and keys have in common: what a token turned out to be, and when it was last used.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mainstay::core::{Caller, Timestamp};
use uuid::Uuid;

/// What a token turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Not of this kind.
    Nothing,
    /// Of a credential that is no longer good; that somebody used it has been told.
    Over,
    /// Somebody's.
    Caller(Caller),
}

/// Credentials whose use this process has noted lately, so that a client that asks all the time,
/// and many requests at the same time, cost one write.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<Uuid, Timestamp>>);

/// Entries before those that are forgotten anyway are removed: some 100 bytes each.
const ENTRIES_MAX: usize = 10_000;

impl Uses {
    /// Whether the use of a credential now is worth a note: the last one, as it was read, is as old
    /// as a note may get, and nobody here has written one since.
    pub(crate) fn is_due(
        &self,
        credential: Uuid,
        noted: Option<Timestamp>,
        now: Timestamp,
        age_max: Duration,
    ) -> bool {
        // A clock that was set back is followed at once.
        let is_old = |noted: Timestamp| {
            Duration::try_from(now.duration_since(noted)).is_ok_and(|age| age >= age_max)
        };
        if !noted.is_none_or(is_old) {
            return false;
        }
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() >= ENTRIES_MAX {
            uses.retain(|_, noted| !is_old(*noted));
        }
        let is_due = uses.get(&credential).copied().is_none_or(is_old);
        if is_due {
            uses.insert(credential, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_until_the_note_is_old() {
        let minute = Duration::from_mins(1);
        let start = Timestamp::from_second(1_000_000).expect("a time");
        let (uses, credential) = (Uses::default(), Uuid::nil());
        let is_due = |noted, now| uses.is_due(credential, noted, now, minute);
        assert!(!is_due(Some(start), start + Duration::from_secs(59)));
        assert!(is_due(Some(start), start + minute));
        // The note is not read back yet.
        assert!(!is_due(Some(start), start + minute));
        assert!(is_due(Some(start), start + 2 * minute));
        assert!(uses.is_due(Uuid::max(), None, start, minute));
        assert!(!uses.is_due(Uuid::max(), None, start, minute));
    }
}
