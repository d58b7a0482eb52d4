//! What the tests of this module and of its neighbours share: users kept in memory, what belongs to
//! users there or in a database, and somebody to register.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mainstay::{
    core::{Pii, Secret, Timestamp},
    passwords::{PasswordCost, PasswordHash, PasswordOptions, Passwords},
    store::Database,
};
use mainstay_testing::{ManualClock, TestDatabase};

use crate::test_database::open_database;

use super::{
    error::{CreateError, UpdateError},
    model::{
        Account, Attempt, Email, Failures, NewUser, Position, Principal, TargetKey, User, UserId,
        UserName, Version,
    },
    repository::{Answer, Repository, sql},
    service::Users,
};

/// The password of everybody whom [`person`] makes.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody to register.
pub(crate) fn person(email: &str) -> NewUser {
    NewUser {
        email: address(email),
        name: UserName(Pii::new("Ada".to_owned())),
        age: None,
        password: Some(Secret::new(PASSWORD.to_owned())),
    }
}

pub(crate) fn address(email: &str) -> Email {
    Email(Pii::new(email.to_owned()))
}

/// As quick as argon2 can be.
pub(crate) fn passwords() -> Passwords {
    Passwords::new(PasswordOptions { cost: PasswordCost::LEAST, ..PasswordOptions::default() })
}

/// Users, and what a neighbour of this module keeps about them, in one place.
pub(crate) struct Place<R: ?Sized> {
    pub(crate) users: Users,
    /// The neighbour's repository.
    pub(crate) kept: Arc<R>,
    pub(crate) clock: ManualClock,
    _database: Option<TestDatabase>,
}

impl<R: ?Sized> Place<R> {
    pub(crate) fn in_memory(keep: impl FnOnce(Arc<InMemory>) -> Arc<R>) -> Self {
        let users = Arc::new(InMemory::default());
        Self::new(users.clone(), keep(users), None)
    }

    pub(crate) async fn in_database(keep: impl FnOnce(Database) -> Arc<R>) -> Self {
        let (place, database) = open_database().await;
        Self::new(sql(database.clone()), keep(database), Some(place))
    }

    fn new(users: Arc<dyn Repository>, kept: Arc<R>, database: Option<TestDatabase>) -> Self {
        let clock = ManualClock::new();
        let users = Users::new(users, passwords(), Arc::new(clock.clone()));
        Self { users, kept, clock, _database: database }
    }

    pub(crate) async fn register(&self, email: &str) -> User {
        self.users.create(person(email)).await.expect("a free address")
    }
}

/// Users in memory. Every operation yields first, as one on a real store does, so that tests meet
/// the interleavings that production meets.
#[derive(Default)]
pub(crate) struct InMemory {
    accounts: Mutex<Vec<Account>>,
    failures: Mutex<HashMap<TargetKey, Failures>>,
}

impl InMemory {
    /// Whether there is a user of this id.
    pub(crate) fn holds(&self, id: UserId) -> bool {
        self.lock().iter().any(|account| account.user.id == id)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn failures(&self) -> MutexGuard<'_, HashMap<TargetKey, Failures>> {
        tokio::task::yield_now().await;
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accounts(&self) -> MutexGuard<'_, Vec<Account>> {
        tokio::task::yield_now().await;
        self.lock()
    }
}

impl Repository for InMemory {
    fn create<'a>(
        &'a self,
        user: &'a User,
        password: Option<&'a PasswordHash>,
    ) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            if accounts.iter().any(|other| other.user.email.key() == user.email.key()) {
                return Err(CreateError::EmailTaken);
            }
            accounts.push(Account { user: user.clone(), password: password.cloned() });
            Ok(())
        })
    }

    fn create_admin<'a>(&'a self, admin: &'a User, password: &'a PasswordHash) -> Answer<'a, User> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            let password = Some(password.clone());
            let key = admin.email.key();
            let Some(known) = accounts.iter_mut().find(|other| other.user.email.key() == key)
            else {
                accounts.push(Account { user: admin.clone(), password });
                return Ok(admin.clone());
            };
            known.password = password;
            known.user.role = admin.role;
            known.user.version = known.user.version.next();
            known.user.password_version.0 += 1;
            Ok(known.user.clone())
        })
    }

    fn find(&self, id: UserId) -> Answer<'_, Option<User>> {
        Box::pin(async move {
            let accounts = self.accounts().await;
            Ok(accounts.iter().find(|account| account.user.id == id).map(|a| a.user.clone()))
        })
    }

    fn find_principal(&self, id: UserId) -> Answer<'_, Option<Principal>> {
        Box::pin(async move {
            let User { id, role, password_version, .. } = match self.find(id).await? {
                Some(user) => user,
                None => return Ok(None),
            };
            Ok(Some(Principal { id, role, password_version }))
        })
    }

    fn find_by_email<'a>(&'a self, email: &'a Email) -> Answer<'a, Option<Account>> {
        Box::pin(async move {
            let accounts = self.accounts().await;
            Ok(accounts.iter().find(|account| account.user.email.key() == email.key()).cloned())
        })
    }

    fn list(&self, after: Position, limit: u32) -> Answer<'_, Vec<User>> {
        Box::pin(async move {
            let accounts = self.accounts().await;
            let mut users: Vec<_> = accounts.iter().map(|account| account.user.clone()).collect();
            users.retain(|user| Position::of(user) < after);
            users.sort_by_key(|user| std::cmp::Reverse(Position::of(user)));
            users.truncate(limit as usize);
            Ok(users)
        })
    }

    fn update<'a>(&'a self, user: &'a User) -> Answer<'a, bool, UpdateError> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            let key = user.email.key();
            let place = accounts
                .iter()
                .position(|a| a.user.id == user.id && a.user.version == user.version);
            let Some(place) = place else { return Ok(false) };
            if accounts.iter().any(|a| a.user.id != user.id && a.user.email.key() == key) {
                return Err(UpdateError::EmailTaken);
            }
            accounts[place].user = User { version: user.version.next(), ..user.clone() };
            Ok(true)
        })
    }

    fn delete(&self, id: UserId, version: Version) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            let before = accounts.len();
            accounts.retain(|account| account.user.id != id || account.user.version != version);
            Ok(accounts.len() < before)
        })
    }

    fn set_password<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            let known = accounts.iter_mut().find(|account| {
                account.user.id == user.id && account.user.password_version == user.password_version
            });
            let Some(known) = known else { return Ok(false) };
            known.password = Some(password.clone());
            known.user.version = known.user.version.next();
            known.user.password_version.0 += 1;
            Ok(true)
        })
    }

    fn rehash<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut accounts = self.accounts().await;
            let known = accounts.iter_mut().find(|account| {
                account.user.id == user.id && account.user.password_version == user.password_version
            });
            if let Some(known) = known {
                known.password = Some(password.clone());
            }
            Ok(())
        })
    }

    fn find_failures(&self, target: TargetKey) -> Answer<'_, Option<Failures>> {
        Box::pin(async move { Ok(self.failures().await.get(&target).copied()) })
    }

    fn begin_attempt(&self, attempt: Attempt) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut failures = self.failures().await;
            let is_as_seen = failures.get(&attempt.target).copied() == attempt.before;
            if is_as_seen {
                failures.insert(attempt.target, attempt.counted);
            }
            Ok(is_as_seen)
        })
    }

    fn undo_attempt(&self, attempt: Attempt) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut failures = self.failures().await;
            let Some(known) = failures.get_mut(&attempt.target) else { return Ok(()) };
            known.count -= 1;
            if let Some(before) = attempt.before
                && known.last_at == attempt.counted.last_at
            {
                known.last_at = before.last_at;
            }
            failures.retain(|_, known| known.count > 0);
            Ok(())
        })
    }

    fn forget_failures<'a>(&'a self, targets: &'a [TargetKey]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.failures().await.retain(|target, _| !targets.contains(target));
            Ok(())
        })
    }

    fn prune_failures(&self, before: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            self.failures().await.retain(|_, known| known.last_at >= before);
            Ok(())
        })
    }
}
