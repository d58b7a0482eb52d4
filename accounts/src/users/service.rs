//! The rules about people.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Precondition, Scopes, Secret, Subject},
    passwords::{Passwords, is_common},
    security::{SecurityEvent, SecurityRecord, record},
    store::StoreError,
};

use super::{
    error::{
        AdminError, CallerError, CreateError, DeleteError, LookupError, SetPasswordError,
        UpdateError, VerifyError,
    },
    model::{
        ADMIN, Account, Administrator, Attempt, Change, Changes, Email, Failures, Listed, Listing,
        NewAdmin, NewUser, PasswordChange, PasswordVersion, Position, Principal, Role, Standing,
        Target, User, UserId, UserName, Version,
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
        self.forget_failures(kept.id).await?;
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

    /// What counts about somebody whose credential is shown. It may be as old as the bound of the
    /// caches.
    pub(crate) async fn find_principal(&self, id: UserId) -> Result<Option<Principal>, StoreError> {
        self.0.repository.find_principal(id).await
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
        // A key that leaked must not leave an administrator behind.
        let gives_roles = caller.has(ADMIN) && caller.scopes == Scopes::All;
        if changes.role != Change::Keep && !gives_roles {
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
        let target = match &account {
            Some(account) => Target::LogIn(account.user.id),
            None => Target::Nobody(email),
        };
        let verified = self.verify(target, account.as_ref(), password).await?;
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
            return Err(SetPasswordError::WrongPassword);
        }
        if is_too_common(&new, &user.email, &user.name) {
            return Err(SetPasswordError::TooCommon);
        }
        let hash = self.0.passwords.hash(&new).await?;
        if !self.0.repository.set_password(&user, &hash).await? {
            return Err(SetPasswordError::WrongPassword);
        }
        record(SecurityRecord::about(SecurityEvent::PasswordChanged, id));
        // The password is replaced, whatever becomes of this.
        let _ = self.forget_failures(id).await;
        Ok(())
    }

    /// Forgets the failures to log in to an account, so that its password is looked at again.
    /// Answers whether there is such an account.
    pub(crate) async fn unlock(&self, email: &Email) -> Result<bool, StoreError> {
        let account = self.0.repository.find_by_email(email).await?;
        if let Some(account) = &account {
            self.forget_failures(account.user.id).await?;
        }
        Ok(account.is_some())
    }

    async fn forget_failures(&self, id: UserId) -> Result<(), StoreError> {
        let targets = [Target::LogIn(id), Target::Change(id)].map(Target::key);
        self.0.repository.forget_failures(&targets).await
    }

    /// Looks at a password that may be a guess. The account may not exist.
    ///
    /// The attempt is counted first. A caller who leaves before the answer has made it.
    async fn verify(
        &self,
        target: Target<'_>,
        account: Option<&Account>,
        password: &Secret<String>,
    ) -> Result<bool, VerifyError> {
        let subject = account.map(|account| account.user.id.into());
        let attempt = self.begin_attempt(target, subject).await?;
        let hash = account.and_then(|account| account.password.as_ref());
        let verified = match self.0.passwords.verify(password, hash).await {
            Ok(verified) => verified,
            Err(busy) => {
                // Nobody looked. If this fails too, the attempt counts.
                let _ = self.0.repository.undo_attempt(attempt).await;
                return Err(busy.into());
            }
        };
        match account {
            Some(account) if verified => {
                self.forget_failures(account.user.id).await?;
                self.renew_hash(account, password).await;
            }
            _ => tell_failure(target, attempt, subject),
        }
        Ok(verified)
    }

    /// Counts an attempt at a target, unless no other may be made now.
    async fn begin_attempt(
        &self,
        target: Target<'_>,
        subject: Option<Subject>,
    ) -> Result<Attempt, VerifyError> {
        let Inner { repository, clock, .. } = &*self.0;
        let key = target.key();
        // A lap is lost only to another attempt that was counted, and so many may be.
        loop {
            let (now, before) = (clock.now(), repository.find_failures(key).await?);
            let refusal = match before.map_or(Standing::Open, |seen| seen.standing(now)) {
                Standing::Waiting(wait) => VerifyError::Delayed(wait),
                Standing::Locked => VerifyError::Locked,
                Standing::Open => {
                    let counted = Failures::and_one(before, now);
                    let attempt = Attempt { target: key, before, counted };
                    if repository.begin_attempt(attempt).await? {
                        // One target in 256 makes room for those to come.
                        if before.is_none() && key.0[0] == 0 {
                            repository.prune_failures(now - Failures::REMEMBERED).await?;
                        }
                        return Ok(attempt);
                    }
                    continue;
                }
            };
            let event = match target {
                Target::Change(_) => SecurityEvent::PasswordChangeFailed,
                Target::LogIn(_) | Target::Nobody(_) => SecurityEvent::LoginDelayed,
            };
            record(SecurityRecord { event, subject });
            return Err(refusal);
        }
    }

    /// Hashes a password anew that has just been verified, when the cost has risen since. Not worth
    /// a refusal: the next log-in is as good.
    async fn renew_hash(&self, account: &Account, password: &Secret<String>) {
        let passwords = &self.0.passwords;
        let outdated = account.password.as_ref().is_some_and(|hash| passwords.is_outdated(hash));
        if outdated && let Ok(hash) = passwords.hash(password).await {
            let _ = self.0.repository.rehash(&account.user, &hash).await;
        }
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

/// Tells of a wrong password; that a log-in failed is told by the log-in.
fn tell_failure(target: Target<'_>, attempt: Attempt, subject: Option<Subject>) {
    let event = match target {
        Target::Change(_) => SecurityEvent::PasswordChangeFailed,
        _ if attempt.counted.count == Failures::MAX => SecurityEvent::LoginLocked,
        _ => return,
    };
    record(SecurityRecord { event, subject });
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
