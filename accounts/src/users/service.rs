//! The rules about people.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Precondition, Secret},
    passwords::Passwords,
    store::StoreError,
};

use super::{
    error::{CallerError, CreateError, DeleteError, LookupError, PasswordError, UpdateError},
    model::{
        ADMIN, Administrator, Change, Changes, Email, Listed, Listing, NewAdmin, NewUser,
        PasswordVersion, Position, Role, User, UserId, UserName, Version,
    },
    repository::Repository,
};

/// Everything one can ask of this module. Clones share it.
#[derive(Clone)]
pub(crate) struct Users(Arc<Inner>);

struct Inner {
    repository: Arc<dyn Repository>,
    passwords: Passwords,
    clock: Arc<dyn Clock>,
}

impl Users {
    /// The users kept in `repository`; [`sql`](super::sql) makes one.
    pub(crate) fn new(
        repository: Arc<dyn Repository>,
        passwords: Passwords,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner { repository, passwords, clock }))
    }

    /// Registers a person.
    pub(crate) async fn create(&self, new: NewUser) -> Result<User, CreateError> {
        let password = match &new.password {
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let user = User { age: new.age, ..self.fresh(new.email, new.name, Role::User) };
        self.0.repository.create(&user, password.as_ref()).await?;
        Ok(user)
    }

    /// Makes somebody an administrator, registering them if need be.
    ///
    /// Anybody may register any address, so whoever registered this one is not trusted: the
    /// password is replaced, which ends the account's sessions.
    pub(crate) async fn create_admin(&self, new: NewAdmin) -> Result<Administrator, PasswordError> {
        let password = self.0.passwords.hash(&new.password).await?;
        let admin = self.fresh(new.email, new.name, Role::Admin);
        let kept = self.0.repository.create_admin(&admin, &password).await?;
        let become_one =
            if kept.id == admin.id { Administrator::Created } else { Administrator::Promoted };
        Ok(become_one(kept.id))
    }

    /// The user of this id.
    pub(crate) async fn get(&self, id: UserId) -> Result<User, LookupError> {
        self.find(id).await?.ok_or(LookupError::NotFound)
    }

    /// The account of a caller. One that is removed at this moment is nobody's, like one that was
    /// removed a moment before.
    pub(crate) async fn get_caller(&self, id: UserId) -> Result<User, CallerError> {
        self.find(id).await?.ok_or(CallerError::Removed)
    }

    /// The user of this id, if there is one.
    pub(crate) async fn find(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.0.repository.find(id).await
    }

    /// One page of users, newest first. Users who register meanwhile come before the first page, so
    /// no page repeats or skips anybody.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Listed, StoreError> {
        if let Some(email) = &listing.email {
            let found = self.0.repository.find_by_email(email).await?.map(|account| account.user);
            let users = found.into_iter().filter(|user| Position::of(user) < listing.after);
            return Ok(Listed { users: users.collect(), next: None });
        }
        // One more than asked for tells whether there is another page.
        let mut users = self.0.repository.list(listing.after, listing.limit + 1).await?;
        let more = users.len() > listing.limit as usize;
        users.truncate(listing.limit as usize);
        let next = users.last().filter(|_| more).map(Position::of);
        Ok(Listed { users, next })
    }

    /// Changes a user on behalf of `caller`, if it is of a version that `condition` permits.
    ///
    /// Of two changes at the same time neither is lost. Without a condition the later one is made
    /// to what the earlier one left.
    pub(crate) async fn update(
        &self,
        id: UserId,
        changes: Changes,
        condition: Precondition,
        caller: &Caller,
    ) -> Result<User, UpdateError> {
        if changes.role != Change::Keep && !caller.has(ADMIN) {
            return Err(UpdateError::Forbidden);
        }
        // A lap is lost only to a change that was made, and the request's deadline ends the last.
        loop {
            let present = self.find(id).await?.ok_or(UpdateError::NotFound)?;
            if !condition.permits(present.version.0) {
                return Err(UpdateError::PreconditionFailed);
            }
            let wanted = changes.applied_to(&present);
            if wanted == present {
                return Ok(present);
            }
            if self.0.repository.update(&wanted).await? {
                return Ok(User { version: wanted.version.next(), ..wanted });
            }
        }
    }

    /// Removes a user, and with them their sessions, if the user is of a version that `condition`
    /// permits.
    pub(crate) async fn delete(
        &self,
        id: UserId,
        condition: Precondition,
    ) -> Result<(), DeleteError> {
        // A lap is lost only to a change that was made, as in an update.
        loop {
            let present = self.find(id).await?.ok_or(DeleteError::NotFound)?;
            if !condition.permits(present.version.0) {
                return Err(DeleteError::PreconditionFailed);
            }
            if self.0.repository.delete(id, present.version).await? {
                return Ok(());
            }
        }
    }

    /// The user who has this address and this password.
    ///
    /// An unknown address takes as long as a wrong password.
    pub(crate) async fn verify_password(
        &self,
        email: &Email,
        password: &Secret<String>,
    ) -> Result<Option<User>, PasswordError> {
        let account = self.0.repository.find_by_email(email).await?;
        let hash = account.as_ref().and_then(|account| account.password.as_ref());
        let verified = self.0.passwords.verify(password, hash).await?;
        Ok(account.filter(|_| verified).map(|account| account.user))
    }

    fn fresh(&self, email: Email, name: UserName, role: Role) -> User {
        let created_at = self.0.clock.now();
        User {
            id: UserId::new(created_at),
            email,
            name,
            age: None,
            role,
            version: Version::FIRST,
            password_version: PasswordVersion::FIRST,
            created_at,
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
