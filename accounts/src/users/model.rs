//! People as the rules see them. The form of a text has been checked at the edge, by the schema
//! that is published for it; a type here says what the text is.

use mainstay::{
    core::{Pii, RoleName, Secret, Subject, Timestamp, new_id},
    passwords::PasswordHash,
};
use uuid::Uuid;

/// The role that may see and change everybody.
pub(crate) const ADMIN: RoleName = RoleName("admin");

/// Identifies a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId(pub(crate) Uuid);

impl UserId {
    /// A new id, which sorts by `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(new_id(now))
    }
}

impl From<Subject> for UserId {
    fn from(subject: Subject) -> Self {
        Self(subject.0)
    }
}

impl From<UserId> for Subject {
    fn from(id: UserId) -> Self {
        Self(id.0)
    }
}

/// An e-mail address as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(pub(crate) Pii<String>);

impl Email {
    /// What makes two addresses the same. The local part is case-sensitive by RFC 5321 and nowhere
    /// in practice; one person must not register twice by a slip of the shift key.
    pub(crate) fn key(&self) -> Pii<String> {
        Pii::new(self.0.reveal().to_lowercase())
    }
}

/// What a person is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserName(pub(crate) Pii<String>);

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Manages the own account.
    User,
    /// Manages every account.
    Admin,
}

impl Role {
    /// The roles a caller is given for it.
    pub(crate) fn names(self) -> Vec<RoleName> {
        match self {
            Self::User => Vec::new(),
            Self::Admin => vec![ADMIN],
        }
    }
}

/// Counts the changes of a user, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) i64);

impl Version {
    /// That of a new user.
    pub(crate) const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Counts the passwords an account has had, from 1. A session is good only for the password it was
/// made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswordVersion(pub(crate) i64);

impl PasswordVersion {
    /// That of a new user, with a password or without.
    pub(crate) const FIRST: Self = Self(1);
}

/// A registered person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Who.
    pub(crate) id: UserId,
    /// Unique by its key.
    pub(crate) email: Email,
    /// What to call them.
    pub(crate) name: UserName,
    /// In years, if they told.
    pub(crate) age: Option<u32>,
    /// What they may do.
    pub(crate) role: Role,
    /// Changes whenever something else here does.
    pub(crate) version: Version,
    /// Which of their passwords is the present one.
    pub(crate) password_version: PasswordVersion,
    /// When they registered.
    pub(crate) created_at: Timestamp,
}

/// A user together with what proves that somebody is them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Who.
    pub(crate) user: User,
    /// `None` for an account that cannot log in by password.
    pub(crate) password: Option<PasswordHash>,
}

/// What a person registers with.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    /// Their address.
    pub(crate) email: Email,
    /// What to call them.
    pub(crate) name: UserName,
    /// In years.
    pub(crate) age: Option<u32>,
    /// Without one the account cannot log in by password.
    pub(crate) password: Option<Secret<String>>,
}

/// An administrator whom the operator of the service names.
#[derive(Clone, Debug)]
pub(crate) struct NewAdmin {
    /// Their address.
    pub(crate) email: Email,
    /// What to call them, unless they are registered already.
    pub(crate) name: UserName,
    /// What they log in with from now on.
    pub(crate) password: Secret<String>,
}

/// How somebody became an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Administrator {
    /// The account is new.
    Created(UserId),
    /// The account existed; it has a new password, so its sessions have ended.
    Promoted(UserId),
}

/// One field of a partial update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Replace it.
    Set(T),
}

impl<T> Change<T> {
    /// The same change of another type.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Self::Keep => Change::Keep,
            Self::Set(value) => Change::Set(f(value)),
        }
    }

    fn apply(&self, field: &mut T)
    where
        T: Clone,
    {
        if let Self::Set(value) = self {
            field.clone_from(value);
        }
    }
}

/// A partial update of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Of the address.
    pub(crate) email: Change<Email>,
    /// Of the name.
    pub(crate) name: Change<UserName>,
    /// Of the age; `Set(None)` forgets it.
    pub(crate) age: Change<Option<u32>>,
    /// Of the role.
    pub(crate) role: Change<Role>,
}

impl Changes {
    /// The user as it will be; its version is still the present one.
    #[must_use]
    pub(crate) fn applied_to(&self, user: &User) -> User {
        let mut user = user.clone();
        self.email.apply(&mut user.email);
        self.name.apply(&mut user.name);
        self.age.apply(&mut user.age);
        self.role.apply(&mut user.role);
        user
    }
}

/// A place in the list of users, which is newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Decides first.
    pub(crate) created_at: Timestamp,
    /// Decides between users of one instant.
    pub(crate) id: UserId,
}

impl Position {
    /// Before everybody: no user is newer.
    pub(crate) const START: Self = Self { created_at: Timestamp::MAX, id: UserId(Uuid::max()) };

    /// Where a user is.
    pub(crate) fn of(user: &User) -> Self {
        Self { created_at: user.created_at, id: user.id }
    }
}

/// Which users to list.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Those that come after this place.
    pub(crate) after: Position,
    /// So many at most; at least 1.
    pub(crate) limit: u32,
    /// Only the one with this address.
    pub(crate) email: Option<Email>,
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Newest first.
    pub(crate) users: Vec<User>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<Position>,
}
