//! The rules about people.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Precondition, Secret, Subject},
    passwords::{Passwords, is_common},
    security::{SecurityEvent, SecurityRecord, record},
    store::StoreError,
};

use super::{
    error::{
        AdminError, CreateError, DeleteError, LookupError, SetPasswordError, UpdateError,
        VerifyError,
    },
    model::{
        ADMIN, Account, Administrator, Change, Changes, Email, Failures, Listed, Listing, NewAdmin,
        NewUser, PasswordChange, PasswordVersion, Position, Role, Standing, Target, TargetKey,
        User, UserId, UserName, Version,
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
            Some(password) if is_too_common(password, &new.email, &new.name) => {
                return Err(CreateError::TooCommon);
            }
            Some(password) => Some(self.0.passwords.hash(password).await?),
            None => None,
        };
        let mut user = User { age: new.age, ..self.fresh(new.email, new.name, Role::User) };
        if password.is_none() {
            user.password_version = PasswordVersion::NONE;
        }
        self.0.repository.create(&user, password.as_ref()).await?;
        // Whoever guessed at the address before it was anybody's has not guessed at this password.
        self.0.repository.forget_failures(Target::LogIn(&user.email).key()).await?;
        record(SecurityRecord::about(SecurityEvent::UserCreated, user.id));
        Ok(user)
    }

    /// Makes somebody an administrator, registering them if need be.
    ///
    /// Anybody may register any address, so whoever registered this one is not trusted: the
    /// password is replaced, which ends the account's sessions.
    pub(crate) async fn create_admin(&self, new: NewAdmin) -> Result<Administrator, AdminError> {
        if is_too_common(&new.password, &new.email, &new.name) {
            return Err(AdminError::TooCommon);
        }
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
                record(SecurityRecord::about(SecurityEvent::UserUpdated, id));
                if wanted.role != present.role {
                    record(SecurityRecord::about(SecurityEvent::PermissionsChanged, id));
                }
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
                record(SecurityRecord::about(SecurityEvent::UserDeleted, id));
                return Ok(());
            }
        }
    }

    /// The user who has this address and this password.
    ///
    /// An unknown address is treated like a known one with another password, and takes as long.
    pub(crate) async fn log_in(
        &self,
        email: &Email,
        password: &Secret<String>,
    ) -> Result<Option<User>, VerifyError> {
        let account = self.0.repository.find_by_email(email).await?;
        let verified = self.verify(Target::LogIn(email), account.as_ref(), password).await?;
        let user = account.map(|account| account.user);
        let event =
            if verified { SecurityEvent::LoginSucceeded } else { SecurityEvent::LoginFailed };
        record(SecurityRecord { event, subject: user.as_ref().map(|user| user.id.into()) });
        Ok(user.filter(|_| verified))
    }

    /// Replaces a password, which ends every session and every key of the account.
    pub(crate) async fn set_password(
        &self,
        id: UserId,
        change: PasswordChange,
    ) -> Result<(), SetPasswordError> {
        let PasswordChange { current, new } = change;
        let user = self.find(id).await?.ok_or(SetPasswordError::WrongPassword)?;
        let account = self.0.repository.find_by_email(&user.email).await?;
        // The address may have gone to somebody else since.
        let account = account.filter(|account| account.user.id == id);
        if !self.verify(Target::Change(id), account.as_ref(), &current).await? {
            record(SecurityRecord::about(SecurityEvent::PasswordChangeFailed, id));
            return Err(SetPasswordError::WrongPassword);
        }
        if is_too_common(&new, &user.email, &user.name) {
            return Err(SetPasswordError::TooCommon);
        }
        let hash = self.0.passwords.hash(&new).await?;
        if !self.0.repository.set_password(&user, &hash).await? {
            return Err(SetPasswordError::WrongPassword);
        }
        self.0.repository.forget_failures(Target::LogIn(&user.email).key()).await?;
        record(SecurityRecord::about(SecurityEvent::PasswordChanged, id));
        Ok(())
    }

    /// Forgets the failures to log in to an account, so that its password is looked at again.
    /// Answers whether there is such an account.
    pub(crate) async fn unlock(&self, email: &Email) -> Result<bool, StoreError> {
        self.0.repository.forget_failures(Target::LogIn(email).key()).await?;
        let account = self.0.repository.find_by_email(email).await?;
        if let Some(account) = &account {
            self.0.repository.forget_failures(Target::Change(account.user.id).key()).await?;
        }
        Ok(account.is_some())
    }

    /// Looks at a password that may be a guess. The account may not exist.
    async fn verify(
        &self,
        target: Target<'_>,
        account: Option<&Account>,
        password: &Secret<String>,
    ) -> Result<bool, VerifyError> {
        let key = target.key();
        let subject = account.map(|account| account.user.id.into());
        self.admit(key, subject).await?;
        let hash = account.and_then(|account| account.password.as_ref());
        if !self.0.passwords.verify(password, hash).await? {
            self.count_failure(key, subject).await?;
            return Ok(false);
        }
        // Those that failed meanwhile were guesses of the same row.
        if let Some(failures) = self.0.repository.find_failures(key).await? {
            if failures.standing(self.0.clock.now()) == Standing::Locked {
                return Err(VerifyError::Locked);
            }
            self.0.repository.forget_failures(key).await?;
        }
        if let Some(account) = account {
            self.renew_hash(account, password).await?;
        }
        Ok(true)
    }

    /// Whether another attempt may be made at a target.
    async fn admit(&self, key: TargetKey, subject: Option<Subject>) -> Result<(), VerifyError> {
        let Some(failures) = self.0.repository.find_failures(key).await? else { return Ok(()) };
        let now = self.0.clock.now();
        let refusal = match failures.standing(now) {
            Standing::Trusted => return Ok(()),
            Standing::Suspected if self.0.repository.begin_attempt(key, failures, now).await? => {
                return Ok(());
            }
            // Another attempt was faster.
            Standing::Suspected => VerifyError::Delayed(Failures::WAIT_MIN),
            Standing::Waiting(wait) => VerifyError::Delayed(wait),
            Standing::Locked => VerifyError::Locked,
        };
        record(SecurityRecord { event: SecurityEvent::LoginDelayed, subject });
        Err(refusal)
    }

    async fn count_failure(
        &self,
        key: TargetKey,
        subject: Option<Subject>,
    ) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        let forgotten = now - Failures::REMEMBERED;
        let count = self.0.repository.add_failure(key, now, forgotten).await?;
        if count == Failures::MAX {
            record(SecurityRecord { event: SecurityEvent::LoginLocked, subject });
        }
        Ok(())
    }

    /// Hashes a password anew that has just been verified, when the cost has risen since. Not worth
    /// a refusal: the next log-in is as good.
    async fn renew_hash(
        &self,
        account: &Account,
        password: &Secret<String>,
    ) -> Result<(), StoreError> {
        let passwords = &self.0.passwords;
        let outdated = account.password.as_ref().is_some_and(|hash| passwords.is_outdated(hash));
        if outdated && let Ok(hash) = passwords.hash(password).await {
            self.0.repository.rehash(&account.user, &hash).await?;
        }
        Ok(())
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

/// What the service is called: nobody's password.
const SERVICE: [&str; 2] = ["accounts", "mainstay"];

fn is_too_common(password: &Secret<String>, email: &Email, name: &UserName) -> bool {
    let [service, framework] = SERVICE;
    is_common(password, &[email.0.reveal(), name.0.reveal(), service, framework])
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
