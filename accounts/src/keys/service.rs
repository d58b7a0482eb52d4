//! The rules about keys: who makes them, what they prove, how they end.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Scopes},
    security::{SecurityEvent, SecurityRecord, record},
    store::StoreError,
    tokens::{Token, TokenHash},
};

use super::{
    error::{CreateError, DeleteError, ListError},
    model::{Key, KeyId, NOTE_AGE_MAX, NewKey},
    repository::Repository,
};
use crate::{
    credential::{Found, Uses},
    users::{ADMIN, User, UserId, Users},
};

/// Everything one can ask of this module. Clones share it.
#[derive(Clone)]
pub(crate) struct Keys(Arc<Inner>);

struct Inner {
    repository: Arc<dyn Repository>,
    users: Users,
    clock: Arc<dyn Clock>,
    uses: Uses,
}

impl Keys {
    /// The keys of `users`, kept in `repository`; [`sql`](super::sql) makes one.
    pub(crate) fn new(
        repository: Arc<dyn Repository>,
        users: Users,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner { repository, users, clock, uses: Uses::default() }))
    }

    /// Makes a key. The token is not kept: this is the only time it can be told.
    ///
    /// Everybody makes keys for themselves. An administrator makes them for machines, that is for
    /// accounts without a password; for a person's account it would be a way to act in their name.
    pub(crate) async fn create(
        &self,
        new: NewKey,
        caller: &Caller,
    ) -> Result<(Key, Token), CreateError> {
        let owner = new.user.unwrap_or(caller.subject.into());
        let user = self.owner(owner, caller).await?;
        let (key, token) = (Key::new(new, &user, self.0.clock.now()), Token::generate());
        self.0.repository.create(&key, token.hash()).await?;
        record(SecurityRecord::about(SecurityEvent::TokenCreated, user.id));
        Ok((key, token))
    }

    async fn owner(&self, owner: UserId, caller: &Caller) -> Result<User, CreateError> {
        let is_own = owner == caller.subject.into();
        // Before anything is looked up, so that a stranger learns nothing.
        if !is_own && !caller.has(ADMIN) {
            return Err(CreateError::Forbidden);
        }
        let user = self.0.users.find(owner).await?.ok_or(CreateError::UserNotFound)?;
        if !is_own && !user.is_machine() {
            return Err(CreateError::NotAMachine);
        }
        if !is_own {
            record(SecurityRecord::about(SecurityEvent::AdministratorActed, owner));
        }
        Ok(user)
    }

    /// The caller's keys, or for an administrator those of an account, that are still good; newest
    /// first.
    pub(crate) async fn list(
        &self,
        owner: Option<UserId>,
        caller: &Caller,
    ) -> Result<Vec<Key>, ListError> {
        let owner = owner.unwrap_or(caller.subject.into());
        if owner != caller.subject.into() {
            if !caller.has(ADMIN) {
                return Err(ListError::Forbidden);
            }
            record(SecurityRecord::about(SecurityEvent::AdministratorActed, owner));
        }
        let now = self.0.clock.now();
        let Some(user) = self.0.users.find_principal(owner).await? else { return Ok(Vec::new()) };
        let mut keys = self.0.repository.list(owner).await?;
        keys.retain(|key| key.is_good(user, now));
        Ok(keys)
    }

    /// Removes one of the caller's keys, or for an administrator anybody's.
    pub(crate) async fn delete(&self, id: KeyId, caller: &Caller) -> Result<(), DeleteError> {
        let owner = (!caller.has(ADMIN)).then(|| caller.subject.into());
        let owner = self.0.repository.delete(id, owner).await?.ok_or(DeleteError::NotFound)?;
        if owner != caller.subject.into() {
            record(SecurityRecord::about(SecurityEvent::AdministratorActed, owner));
        }
        record(SecurityRecord::about(SecurityEvent::TokenRevoked, owner));
        Ok(())
    }

    /// The caller that a token stands for, if it is one of a key. What counts about the user
    /// is asked each time, as for a session.
    pub(crate) async fn authenticate(&self, token: TokenHash) -> Result<Found, StoreError> {
        let Inner { repository, users, clock, uses } = &*self.0;
        let Some(key) = repository.find(token).await? else { return Ok(Found::Nothing) };
        let now = clock.now();
        let user = users.find_principal(key.user).await?.filter(|user| key.is_good(*user, now));
        let Some(user) = user else {
            record(SecurityRecord::about(SecurityEvent::TokenReused, key.user));
            return Ok(Found::Over);
        };
        if uses.is_due(key.id.0, key.last_used_at, now, NOTE_AGE_MAX) {
            repository.note_use(key.id, now);
        }
        Ok(Found::Caller(Caller {
            subject: user.id.into(),
            roles: user.role.names(),
            credential: key.id.0,
            scopes: Scopes::Only(key.scopes.iter().map(|scope| scope.name()).collect()),
        }))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
