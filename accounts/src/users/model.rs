//! People as the rules see them. The form of a text has been checked at the edge, by the schema
//! that is published for it; a type here says what the text is.

use std::time::Duration;

use mainstay::{
    core::{Pii, RoleName, ScopeName, Secret, Subject, Timestamp, new_id},
    passwords::PasswordHash,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The role that may see and change everybody.
pub(crate) const ADMIN: RoleName = RoleName("admin");

/// What a key needs to read users.
pub(crate) const USERS_READ: ScopeName = ScopeName("users:read");

/// What a key needs to change and remove users.
pub(crate) const USERS_WRITE: ScopeName = ScopeName("users:write");

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

/// Counts the passwords an account has had. A session or a key is good only for the password it
/// was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PasswordVersion(pub(crate) i64);

impl PasswordVersion {
    /// That of an account that has never had one: a machine's, which uses keys.
    pub(crate) const NONE: Self = Self(0);

    /// That of a new user with a password.
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

/// What counts about a user when a credential of theirs is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Who.
    pub(crate) id: UserId,
    /// What they may do.
    pub(crate) role: Role,
    /// Which of their passwords is the present one.
    pub(crate) password_version: PasswordVersion,
}

impl User {
    /// Whether nobody logs in to it by a password: then it is taken for a machine's.
    pub(crate) fn is_machine(&self) -> bool {
        self.password_version == PasswordVersion::NONE
    }
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

/// A new password, and the proof that its owner asks for it.
#[derive(Clone, Debug)]
pub(crate) struct PasswordChange {
    /// The present one, they say.
    pub(crate) current: Secret<String>,
    /// What they log in with from now on.
    pub(crate) new: Secret<String>,
}

/// What somebody who guesses passwords guesses at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// The log-in of an account, by whatever address it has.
    LogIn(UserId),
    /// The log-in of an address that nobody has, so that it is no different.
    Nobody(&'a Email),
    /// The present password, asked for before it is replaced. Counted apart, so that whoever fails
    /// at the log-in does not keep the owner from replacing the password in a live session.
    Change(UserId),
}

impl Target<'_> {
    /// What it is known by where failures are kept.
    pub(crate) fn key(self) -> TargetKey {
        let digest = match self {
            Self::LogIn(id) => Sha256::digest(format!("log-in {}", id.0)),
            Self::Nobody(email) => Sha256::digest(format!("nobody {}", email.key().reveal())),
            Self::Change(id) => Sha256::digest(format!("change {}", id.0)),
        };
        TargetKey(digest.into())
    }
}

/// The SHA-256 of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TargetKey(pub(crate) [u8; 32]);

/// Wrong passwords in a row for one target, those included that are being looked at: each attempt
/// is counted before it is made, so that no number of them at the same time gets around the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    /// How many.
    pub(crate) count: u32,
    /// When the last attempt began.
    pub(crate) last_at: Timestamp,
}

/// An attempt that has been counted as a failure, until it turns out to be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// At what.
    pub(crate) target: TargetKey,
    /// The failures before it.
    pub(crate) before: Option<Failures>,
    /// The failures with it.
    pub(crate) counted: Failures,
}

/// Whether another attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Yes.
    Open,
    /// After this time.
    Waiting(Duration),
    /// No: the password opens nothing until its owner or an operator does something about it.
    Locked,
}

impl Failures {
    /// NIST SP 800-63B-4 section 3.2.2: at most 100 consecutive failures.
    pub(crate) const MAX: u32 = 100;

    /// Attempts before anybody waits, made one after the other or at the same time: every password
    /// that a person knows, each twice, and a few programs that log in at the same moment. Taste.
    pub(crate) const FREE: u32 = 20;

    /// The first wait; each further failure doubles it.
    pub(crate) const WAIT_MIN: Duration = Duration::from_secs(1);

    /// The longest wait. All 100 failures then take an attacker 17 hours, and an owner who knows
    /// the password has it in their hands to be first.
    const WAIT_MAX: Duration = Duration::from_mins(15);

    /// How long failures are remembered after the last: half a year, in which the other half of
    /// 200 guesses gains nobody anything. Something has to bound what guesses at addresses that
    /// nobody has leave behind, and those that somebody has must not be told from them.
    pub(crate) const REMEMBERED: Duration = Duration::from_hours(182 * 24);

    /// What holds now.
    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        if self.count >= Self::MAX {
            return Standing::Locked;
        }
        let Some(doublings) = self.count.checked_sub(Self::FREE) else { return Standing::Open };
        let wait = (Self::WAIT_MIN * (1 << doublings.min(10))).min(Self::WAIT_MAX);
        // A clock that was set back says nothing about how long ago it was, and nobody is to wait
        // until it has caught up.
        let Ok(over) = Duration::try_from(now.duration_since(self.last_at)) else {
            return Standing::Open;
        };
        match wait.checked_sub(over) {
            Some(left) if !left.is_zero() => Standing::Waiting(left),
            _ => Standing::Open,
        }
    }

    /// These, or none yet, and an attempt that begins now.
    pub(crate) fn and_one(seen: Option<Self>, now: Timestamp) -> Self {
        Self { count: seen.map_or(0, |seen| seen.count) + 1, last_at: now }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(count: u32, seconds_ago: i64) -> Standing {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let last_at = Timestamp::from_second(1_000_000 - seconds_ago).expect("a time");
        Failures { count, last_at }.standing(now)
    }

    #[test]
    fn waits_grow_and_end_in_a_lock() {
        let waiting = |seconds| Standing::Waiting(Duration::from_secs(seconds));
        for (count, seconds_ago, expected) in [
            (1, 0, Standing::Open),
            (19, 0, Standing::Open),
            (20, 0, waiting(1)),
            (20, 1, Standing::Open),
            (21, 1, waiting(1)),
            (24, 0, waiting(16)),
            (99, 0, waiting(900)),
            (99, 899, waiting(1)),
            (99, 900, Standing::Open),
            (100, 1_000_000, Standing::Locked),
            // The clock was set back.
            (99, -86_400, Standing::Open),
        ] {
            assert_eq!(standing(count, seconds_ago), expected, "{count} failures");
        }
    }

    #[test]
    fn each_target_is_counted_apart() {
        let email = |text: &str| Email(Pii::new(text.to_owned()));
        let key = |text: &str| Target::Nobody(&email(text)).key();
        assert_eq!(key("Ada@example.com"), key("ada@EXAMPLE.com"));
        assert_ne!(key("ada@example.com"), key("eve@example.com"));
        let id = UserId(Uuid::nil());
        assert_ne!(Target::Change(id).key(), Target::LogIn(id).key());
        assert_ne!(Target::LogIn(id).key(), key(&id.0.to_string()));
    }
}
