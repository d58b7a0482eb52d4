//! What counts about users with every request, kept in the memory of each process.

use std::{sync::Arc, time::Duration};

use mainstay::{
    core::Timestamp,
    passwords::PasswordHash,
    store::{Cache, CacheSpec, Caches, Scope},
};
use uuid::Uuid;

use super::{Answer, Repository};
use crate::users::{
    error::{CreateError, UpdateError},
    model::{
        Account, Attempt, Email, Failures, Position, Principal, TargetKey, User, UserId, Version,
    },
};

/// How long it is served as it was read: the bound for what no process of the service is told of,
/// such as a change by hand.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Keeps in memory what counts when a credential is shown. Everything else, and each user that is
/// asked for as such, is read where it is stored.
pub(crate) fn cached(stored: Arc<dyn Repository>, caches: &Caches) -> Arc<dyn Repository> {
    let by_id = caches.in_process(CacheSpec {
        ttl: KEPT_FOR,
        // Who was removed does not come back, and an id is not guessed before it is given.
        negative_ttl: KEPT_FOR,
        ..CacheSpec::new("principals")
    });
    Arc::new(Cached { stored, caches: caches.clone(), by_id })
}

struct Cached {
    stored: Arc<dyn Repository>,
    caches: Caches,
    by_id: Cache<Principal>,
}

impl Cached {
    fn of(&self, users: impl IntoIterator<Item = UserId>) -> Scope {
        self.by_id.scope(users.into_iter().map(key))
    }
}

fn key(user: UserId) -> String {
    user.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned()
}

impl Repository for Cached {
    fn create<'a>(
        &'a self,
        user: &'a User,
        password: Option<&'a PasswordHash>,
    ) -> Answer<'a, (), CreateError> {
        self.stored.create(user, password)
    }

    fn create_admin<'a>(&'a self, admin: &'a User, password: &'a PasswordHash) -> Answer<'a, User> {
        Box::pin(async move {
            // Whoever has the address is the one that is promoted.
            let known = self.stored.find_by_email(&admin.email).await?;
            let scope = self.of(known.map(|account| account.user.id));
            self.caches.write(scope, self.stored.create_admin(admin, password)).await
        })
    }

    fn find(&self, id: UserId) -> Answer<'_, Option<User>> {
        self.stored.find(id)
    }

    fn find_principal(&self, id: UserId) -> Answer<'_, Option<Principal>> {
        let stored = self.stored.clone();
        let load = move || async move { stored.find_principal(id).await };
        Box::pin(async move {
            let found = self.by_id.get_or_load(&key(id), load).await?;
            Ok(found.map(|principal| *principal))
        })
    }

    fn find_by_email<'a>(&'a self, email: &'a Email) -> Answer<'a, Option<Account>> {
        self.stored.find_by_email(email)
    }

    fn list(&self, after: Position, limit: u32) -> Answer<'_, Vec<User>> {
        self.stored.list(after, limit)
    }

    fn update<'a>(&'a self, user: &'a User) -> Answer<'a, bool, UpdateError> {
        Box::pin(self.caches.write(self.of([user.id]), self.stored.update(user)))
    }

    fn delete(&self, id: UserId, version: Version) -> Answer<'_, bool> {
        Box::pin(self.caches.write(self.of([id]), self.stored.delete(id, version)))
    }

    fn set_password<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, bool> {
        Box::pin(self.caches.write(self.of([user.id]), self.stored.set_password(user, password)))
    }

    fn rehash<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, ()> {
        self.stored.rehash(user, password)
    }

    fn find_failures(&self, target: TargetKey) -> Answer<'_, Option<Failures>> {
        self.stored.find_failures(target)
    }

    fn begin_attempt(&self, attempt: Attempt) -> Answer<'_, bool> {
        self.stored.begin_attempt(attempt)
    }

    fn undo_attempt(&self, attempt: Attempt) -> Answer<'_, ()> {
        self.stored.undo_attempt(attempt)
    }

    fn forget_failures<'a>(&'a self, targets: &'a [TargetKey]) -> Answer<'a, ()> {
        self.stored.forget_failures(targets)
    }

    fn prune_failures(&self, before: Timestamp) -> Answer<'_, ()> {
        self.stored.prune_failures(before)
    }
}
