//! What the tests of this module share: people and keys kept in memory, and in a database.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mainstay::{
    core::{Pii, Timestamp},
    tokens::TokenHash,
};

use super::{
    error::CreateError,
    model::{KEYS_MAX, Key, KeyId, KeyName, NewKey, Scope},
    repository::{Answer, Repository, sql},
};
use crate::users::{self, UserId};

/// Keys in memory; those of a removed user are not there.
pub(super) struct InMemory {
    users: Arc<users::InMemory>,
    keys: Mutex<Vec<(Key, TokenHash)>>,
}

impl InMemory {
    fn kept(&self) -> MutexGuard<'_, Vec<(Key, TokenHash)>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(key, _)| self.users.holds(key.user));
        keys
    }
}

impl Repository for InMemory {
    fn create<'a>(&'a self, key: &'a Key, token: TokenHash) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            if !self.users.holds(key.user) {
                return Err(CreateError::UserNotFound);
            }
            let mut kept = self.kept();
            kept.retain(|(other, _)| {
                other.user != key.user
                    || other.expires_at > key.created_at
                        && other.password_version.0 >= key.password_version.0
            });
            if kept.iter().filter(|(other, _)| other.user == key.user).count() >= KEYS_MAX as usize
            {
                return Err(CreateError::TooMany);
            }
            kept.push((key.clone(), token));
            Ok(())
        })
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Key>>> {
        Box::pin(async move {
            let kept = self.kept();
            Ok(kept.iter().find(|(_, known)| *known == token).map(|(key, _)| Arc::new(key.clone())))
        })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Key>> {
        Box::pin(async move {
            let kept = self.kept();
            let own = kept.iter().map(|(key, _)| key).filter(|other| other.user == user);
            let mut own: Vec<_> = own.cloned().collect();
            own.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
            Ok(own)
        })
    }

    fn delete(&self, id: KeyId, user: Option<UserId>) -> Answer<'_, Option<UserId>> {
        Box::pin(async move {
            let mut kept = self.kept();
            let is_it = |key: &Key| key.id == id && user.is_none_or(|user| key.user == user);
            let owner = kept.iter().find(|(key, _)| is_it(key)).map(|(key, _)| key.user);
            kept.retain(|(key, _)| !is_it(key));
            Ok(owner)
        })
    }

    fn note_use(&self, id: KeyId, now: Timestamp) {
        let mut kept = self.kept();
        kept.iter_mut()
            .filter(|(key, _)| key.id == id)
            .for_each(|(key, _)| key.last_used_at = Some(now));
    }
}

/// Users and their keys, kept in one place.
pub(super) type Place = users::Place<dyn Repository>;

pub(super) fn in_memory() -> Place {
    Place::in_memory(|users| Arc::new(InMemory { users, keys: Mutex::default() }))
}

/// Holds each kind of repository against the same property.
pub(super) async fn on_each(property: impl AsyncFn(Place)) {
    property(in_memory()).await;
    property(Place::in_database(sql).await).await;
}

/// A key for ten days.
pub(super) fn wanted(scopes: &[Scope]) -> NewKey {
    NewKey {
        user: None,
        name: KeyName(Pii::new("deploy".to_owned())),
        scopes: scopes.to_vec(),
        lifetime: Duration::from_hours(240),
    }
}
