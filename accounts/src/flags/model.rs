//! Flags as the rules see them, and what is on for whom.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use mainstay::core::{RoleName, ScopeName, Subject, Timestamp};
use sha2::{Digest as _, Sha256};

use super::error::PrerequisiteError;

/// Who manages flags. The name is all that this module knows of roles.
pub(crate) const ADMIN: RoleName = RoleName("admin");

/// To read and evaluate flags.
pub(crate) const FLAGS_READ: ScopeName = ScopeName("flags:read");

/// To make, replace and remove flags.
pub(crate) const FLAGS_WRITE: ScopeName = ScopeName("flags:write");

/// Flags there may be at a time. Taste: more than a team can oversee, and few enough to be read and
/// kept together.
pub(crate) const FLAGS_MAX: usize = 1000;

/// What code asks for a flag by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FlagKey(pub(crate) String);

/// Counts the changes of all flags. What a change makes has its number, which no other change ever
/// has: a flag that is made anew is told from the one that was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) i64);

impl Version {
    /// After every change.
    pub(crate) const END: Self = Self(i64::MAX);

    /// The one of the next change.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How many of all subjects have a flag, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rollout(pub(crate) u32);

impl Rollout {
    /// Everybody: also the number of buckets.
    const ALL: u32 = 10_000;

    /// Whether the subject is among them. With more of them it still is.
    pub(crate) fn reaches(self, key: &FlagKey, subject: Subject) -> bool {
        bucket(key, subject) < self.0
    }
}

/// Which of 10,000 buckets a subject is in for a flag. Documented for other languages, and the same
/// forever: another result would turn features on and off for people.
///
/// Each part is hashed behind its length, so that no two pairs are one text. The remainder favours
/// no bucket by more than one in 10^15.
fn bucket(key: &FlagKey, subject: Subject) -> u32 {
    let subject = subject.to_string();
    let mut hash = Sha256::new();
    for part in [key.0.as_bytes(), subject.as_bytes()] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    let first = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    (first % u64::from(Rollout::ALL)) as u32
}

/// What an administrator decides about a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// What it is for.
    pub(crate) description: String,
    /// Turns it off for everybody when it is false.
    pub(crate) enabled: bool,
    /// How many have it.
    pub(crate) rollout: Rollout,
    /// Who has it in any case.
    pub(crate) allow: BTreeSet<Subject>,
    /// Flags that have to be on for whoever is to have this one.
    pub(crate) prerequisites: BTreeSet<FlagKey>,
}

/// A flag to make.
#[derive(Clone, Debug)]
pub(crate) struct NewFlag {
    /// What to call it.
    pub(crate) key: FlagKey,
    /// What it is to be.
    pub(crate) definition: Definition,
}

/// A flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// Which.
    pub(crate) key: FlagKey,
    /// What was decided about it.
    pub(crate) definition: Definition,
    /// Of its last change.
    pub(crate) version: Version,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it was last changed.
    pub(crate) updated_at: Timestamp,
}

/// How much of a flag somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// All of it.
    Whole,
    /// All but who is in the allow-list: that is about people.
    WithoutPeople,
}

/// A flag for somebody to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The flag.
    pub(crate) flag: Arc<Flag>,
    /// What of it.
    pub(crate) view: View,
}

/// A part of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Whether it may be on at all.
    pub(crate) enabled: Option<bool>,
    /// How many have it.
    pub(crate) rollout: Option<Rollout>,
    /// Who has it in any case.
    pub(crate) allow: Option<BTreeSet<Subject>>,
    /// What has to be on.
    pub(crate) prerequisites: Option<BTreeSet<FlagKey>>,
}

impl Fields {
    /// What of a definition differs from another one; everything, if there is no other.
    fn of(definition: &Definition, other: Option<&Definition>) -> Self {
        fn differing<T: Clone + PartialEq>(own: &T, other: Option<&T>) -> Option<T> {
            (other != Some(own)).then(|| own.clone())
        }
        let Definition { description, enabled, rollout, allow, prerequisites } = definition;
        Self {
            description: differing(description, other.map(|other| &other.description)),
            enabled: differing(enabled, other.map(|other| &other.enabled)),
            rollout: differing(rollout, other.map(|other| &other.rollout)),
            allow: differing(allow, other.map(|other| &other.allow)),
            prerequisites: differing(prerequisites, other.map(|other| &other.prerequisites)),
        }
    }
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Made the flag.
    Created,
    /// Replaced what was decided about it.
    Updated,
    /// Removed it.
    Deleted,
}

/// A change of a flag, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The version it made.
    pub(crate) version: Version,
    /// Of which flag.
    pub(crate) flag: FlagKey,
    /// What it did.
    pub(crate) kind: ChangeKind,
    /// Who made it.
    pub(crate) actor: Subject,
    /// When.
    pub(crate) at: Timestamp,
    /// What it changed, as it was.
    pub(crate) before: Fields,
    /// What it changed, as it is since.
    pub(crate) after: Fields,
}

impl Change {
    /// The one that made a flag.
    pub(crate) fn created(flag: &Flag, actor: Subject) -> Self {
        let (before, after) = (Fields::default(), Fields::of(&flag.definition, None));
        Self { before, after, ..Self::of(flag, ChangeKind::Created, actor) }
    }

    /// The one that made a flag of an earlier one.
    pub(crate) fn updated(earlier: &Flag, flag: &Flag, actor: Subject) -> Self {
        let before = Fields::of(&earlier.definition, Some(&flag.definition));
        let after = Fields::of(&flag.definition, Some(&earlier.definition));
        Self { before, after, ..Self::of(flag, ChangeKind::Updated, actor) }
    }

    /// The one that removes a flag.
    pub(crate) fn deleted(flag: &Flag, version: Version, actor: Subject, at: Timestamp) -> Self {
        let before = Fields::of(&flag.definition, None);
        Self { version, at, before, ..Self::of(flag, ChangeKind::Deleted, actor) }
    }

    fn of(flag: &Flag, kind: ChangeKind, actor: Subject) -> Self {
        let (before, after) = (Fields::default(), Fields::default());
        let (version, flag, at) = (flag.version, flag.key.clone(), flag.updated_at);
        Self { version, flag, kind, actor, at, before, after }
    }
}

/// A part of a list, and where the next part begins, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed<T, P> {
    /// In the order of the list.
    pub(crate) items: Vec<T>,
    /// The next part comes after this place.
    pub(crate) next: Option<P>,
}

impl<T, P> Listed<T, P> {
    /// The first `limit` of items of which one more was asked for, to see whether it is there.
    pub(crate) fn cut(mut items: Vec<T>, limit: u32, place: impl FnOnce(&T) -> P) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(place);
        Self { items, next }
    }
}

/// Why a flag is on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Off: there is no such flag.
    Unknown,
    /// Off: it is off for everybody.
    Disabled,
    /// Off: this flag has to be on, and is not.
    Prerequisite(FlagKey),
    /// On: the subject is in the allow-list.
    Allowed,
    /// On or off: so many have it, and the subject is one of them or is not.
    Rollout(bool),
}

impl Reason {
    /// Whether the flag is on.
    pub(crate) const fn is_on(&self) -> bool {
        matches!(self, Self::Allowed | Self::Rollout(true))
    }

    /// The same in a word, for the journal of a request.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Disabled => "off_disabled",
            Self::Prerequisite(_) => "off_prerequisite",
            Self::Allowed => "on_allowed",
            Self::Rollout(true) => "on_rollout",
            Self::Rollout(false) => "off_rollout",
        }
    }
}

/// What a flag is for a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evaluation {
    /// Which flag.
    pub(crate) key: FlagKey,
    /// What it is, and why.
    pub(crate) reason: Reason,
}

/// Every flag at one moment, ready to be evaluated. Nobody changes it, so it is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlagSet {
    /// Of the last change.
    pub(crate) version: Version,
    /// In the order of their keys.
    pub(crate) entries: Vec<Entry>,
}

/// A flag of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The flag.
    pub(crate) flag: Arc<Flag>,
    /// The places of its prerequisites, in their order; `None` for one that is not there.
    pub(crate) prerequisites: Vec<Option<usize>>,
}

impl FlagSet {
    /// These flags, in whatever order.
    pub(crate) fn new(version: Version, mut flags: Vec<Arc<Flag>>) -> Self {
        flags.sort_by(|one, other| one.key.cmp(&other.key));
        let place = |key: &FlagKey| flags.binary_search_by(|flag| flag.key.cmp(key)).ok();
        let entry = |flag: &Arc<Flag>| {
            let prerequisites = flag.definition.prerequisites.iter().map(place).collect();
            Entry { flag: flag.clone(), prerequisites }
        };
        let entries = flags.iter().map(entry).collect();
        Self { version, entries }
    }

    /// The flags, in the order of their keys.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &Arc<Flag>> {
        self.entries.iter().map(|entry| &entry.flag)
    }

    /// The flag of this key.
    pub(crate) fn find(&self, key: &FlagKey) -> Option<&Arc<Flag>> {
        Some(&self.entries[self.place(key)?].flag)
    }

    /// Whether there are as many as there may be.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= FLAGS_MAX
    }

    /// Whether another flag requires this one.
    pub(crate) fn requires(&self, key: &FlagKey) -> bool {
        self.flags().any(|flag| flag.definition.prerequisites.contains(key))
    }

    /// Whether a flag, there or yet to be made, may require these.
    pub(crate) fn check_prerequisites(
        &self,
        key: &FlagKey,
        prerequisites: &BTreeSet<FlagKey>,
    ) -> Result<(), PrerequisiteError> {
        let (mut ahead, mut met) = (Vec::from_iter(prerequisites), HashSet::new());
        while let Some(required) = ahead.pop() {
            if required == key {
                return Err(PrerequisiteError::Cycle);
            }
            let flag = self.find(required).ok_or(PrerequisiteError::Unknown)?;
            if met.insert(required) {
                ahead.extend(&flag.definition.prerequisites);
            }
        }
        Ok(())
    }

    /// Where in the set a flag is.
    pub(crate) fn place(&self, key: &FlagKey) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.flag.key.cmp(key)).ok()
    }
}

#[cfg(test)]
mod tests;
