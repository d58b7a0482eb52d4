//! Keys as the rules see them.

use std::time::Duration;

use mainstay::core::{Pii, ScopeName, Timestamp, new_id};
use uuid::Uuid;

use crate::users::{PasswordVersion, Principal, USERS_READ, USERS_WRITE, User, UserId};

/// Keys an account may have at a time. Taste: far more than a team has machines, and few enough for
/// a list without pages.
pub(crate) const KEYS_MAX: u32 = 50;

/// Identifies a key. It is no secret: only the token opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId(pub(crate) Uuid);

impl KeyId {
    /// A new id, which sorts by `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(new_id(now))
    }
}

/// What its owner calls a key. People write names of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyName(pub(crate) Pii<String>);

/// What a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// To read users.
    UsersRead,
    /// To change and remove users.
    UsersWrite,
}

impl Scope {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::UsersRead, Self::UsersWrite];

    /// What endpoints call it.
    pub(crate) const fn name(self) -> ScopeName {
        match self {
            Self::UsersRead => USERS_READ,
            Self::UsersWrite => USERS_WRITE,
        }
    }

    /// The scope of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name().0 == name)
    }
}

/// A key without its token, which nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Which.
    pub(crate) id: KeyId,
    /// Whose.
    pub(crate) user: UserId,
    /// What they call it.
    pub(crate) name: KeyName,
    /// What it is good for; each once, at least one.
    pub(crate) scopes: Vec<Scope>,
    /// The password its owner had then; the key ends with that password.
    pub(crate) password_version: PasswordVersion,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// From when on it is refused.
    pub(crate) expires_at: Timestamp,
    /// When it was last used, as far as it was noted.
    pub(crate) last_used_at: Option<Timestamp>,
}

/// How old a note of the last use may be before it is written anew; see the sessions' own.
pub(crate) const NOTE_AGE_MAX: Duration = Duration::from_mins(1);

impl Key {
    /// A key of a user.
    pub(crate) fn new(new: NewKey, user: &User, now: Timestamp) -> Self {
        Self {
            id: KeyId::new(now),
            user: user.id,
            name: new.name,
            scopes: new.scopes,
            password_version: user.password_version,
            created_at: now,
            expires_at: now + new.lifetime,
            last_used_at: None,
        }
    }

    /// Whether it stands for a user at this time.
    pub(crate) fn is_good(&self, user: Principal, now: Timestamp) -> bool {
        now < self.expires_at
            && self.user == user.id
            && self.password_version == user.password_version
    }
}

/// What somebody asks for who wants a key.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    /// For whom; `None` for the caller.
    pub(crate) user: Option<UserId>,
    /// What to call it.
    pub(crate) name: KeyName,
    /// What it is to be good for.
    pub(crate) scopes: Vec<Scope>,
    /// For how long.
    pub(crate) lifetime: Duration,
}
