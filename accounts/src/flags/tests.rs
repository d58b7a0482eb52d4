//! What the tests of this module share: flags kept in memory, and in a database, and callers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mainstay::core::{Caller, RoleName, Scopes, Subject, Timestamp};
use mainstay_testing::{ManualClock, TestDatabase};
use uuid::Uuid;

use super::{
    model::{ADMIN, Change, Definition, Flag, FlagKey, FlagSet, NewFlag, Rollout, Version},
    repository::{Answer, Repository, sql},
    service::Flags,
};
use crate::test_database::open_database;

/// Flags in memory. Every operation yields first, as one on a real store does, so that tests meet
/// the interleavings that production meets.
#[derive(Default)]
pub(super) struct InMemory(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    set: Arc<FlagSet>,
    changes: Vec<Change>,
}

impl InMemory {
    /// These flags, which nobody has changed.
    pub(super) fn of(flags: Vec<Flag>) -> Self {
        let set = FlagSet::new(Version::default(), flags.into_iter().map(Arc::new).collect());
        Self(Mutex::new(Kept { set: Arc::new(set), changes: Vec::new() }))
    }

    async fn kept(&self) -> MutexGuard<'_, Kept> {
        tokio::task::yield_now().await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a flag, or nothing, in the place of the one that a change is about.
    async fn make(&self, change: &Change, flag: Option<&Flag>) -> bool {
        let mut kept = self.kept().await;
        if kept.set.version.next() != change.version {
            return false;
        }
        let others = kept.set.flags().filter(|other| other.key != change.flag).cloned();
        let flags = others.chain(flag.cloned().map(Arc::new)).collect();
        kept.set = Arc::new(FlagSet::new(change.version, flags));
        kept.changes.push(change.clone());
        true
    }
}

impl Repository for InMemory {
    fn all(&self) -> Answer<'_, Arc<FlagSet>> {
        self.current()
    }

    fn current(&self) -> Answer<'_, Arc<FlagSet>> {
        Box::pin(async move { Ok(self.kept().await.set.clone()) })
    }

    fn create<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(async move { Ok(self.make(change, Some(flag)).await) })
    }

    fn update<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(async move { Ok(self.make(change, Some(flag)).await) })
    }

    fn delete<'a>(&'a self, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(async move { Ok(self.make(change, None).await) })
    }

    fn changes<'a>(
        &'a self,
        key: &'a FlagKey,
        before: Version,
        limit: u32,
    ) -> Answer<'a, Vec<Change>> {
        Box::pin(async move {
            let kept = self.kept().await;
            let newest = kept.changes.iter().rev();
            let own = newest.filter(|change| change.flag == *key && change.version < before);
            Ok(own.take(limit as usize).cloned().collect())
        })
    }
}

/// Flags, where they are kept, and the time there.
pub(super) struct Place {
    pub(super) flags: Flags,
    pub(super) kept: Arc<dyn Repository>,
    pub(super) clock: ManualClock,
    _database: Option<TestDatabase>,
}

impl Place {
    fn new(kept: Arc<dyn Repository>, database: Option<TestDatabase>) -> Self {
        let clock = ManualClock::new();
        let flags = Flags::new(kept.clone(), Arc::new(clock.clone()));
        Self { flags, kept, clock, _database: database }
    }

    pub(super) fn of(flags: Vec<Flag>) -> Self {
        Self::new(Arc::new(InMemory::of(flags)), None)
    }
}

/// Holds each kind of repository against the same property.
pub(super) async fn on_each(property: impl AsyncFn(Place)) {
    property(Place::of(Vec::new())).await;
    let (place, database) = open_database().await;
    property(Place::new(sql(database), Some(place))).await;
}

pub(super) fn key(text: &str) -> FlagKey {
    FlagKey(text.to_owned())
}

pub(super) fn keys(texts: &[&str]) -> BTreeSet<FlagKey> {
    texts.iter().copied().map(key).collect()
}

pub(super) fn subject(number: u128) -> Subject {
    Subject(Uuid::from_u128(number))
}

/// On for everybody who has the flags it requires.
pub(super) fn on(prerequisites: &[&str]) -> Definition {
    Definition {
        description: "A test".to_owned(),
        enabled: true,
        rollout: Rollout(10_000),
        allow: BTreeSet::new(),
        prerequisites: keys(prerequisites),
    }
}

/// A flag that was there from the start.
pub(super) fn flag(name: &str, definition: Definition) -> Flag {
    let start = Timestamp::UNIX_EPOCH;
    let version = Version::default();
    Flag { key: key(name), definition, version, created_at: start, updated_at: start }
}

pub(super) fn new(name: &str, definition: Definition) -> NewFlag {
    NewFlag { key: key(name), definition }
}

fn caller(number: u128, roles: &[RoleName]) -> Caller {
    let (roles, credential) = (roles.to_vec(), Uuid::nil());
    Caller { subject: subject(number), roles, credential, scopes: Scopes::All }
}

/// Somebody without a role.
pub(super) fn ada() -> Caller {
    caller(1, &[])
}

/// An administrator.
pub(super) fn root() -> Caller {
    caller(2, &[ADMIN])
}
