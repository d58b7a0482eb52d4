//! Sessions and the tokens that stand for them.

use std::time::Duration;

use mainstay::core::{Caller, Secret, Timestamp, new_id};
use uuid::Uuid;

use crate::users::{Email, PasswordVersion, Principal, User, UserId};

/// When sessions are over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Without a request.
    pub(crate) idle: Duration,
    /// With requests or without. By default half of the 30 days after which NIST SP 800-63B-4
    /// (section 2.1.3) wants a password again: a token that leaked without notice is worthless
    /// within two weeks.
    pub(crate) lifetime: Duration,
}

impl Timeouts {
    /// How old a note of the last use may be before it is written anew: precise enough for people,
    /// and one write a minute for a client that asks all the time.
    pub(crate) fn note_age_max(self) -> Duration {
        (self.idle / 10).min(Duration::from_mins(1))
    }
}

/// Sessions an account may have at a time; a log-in beyond it ends the oldest. Taste: far more than
/// a person has devices, and few enough for a list without pages.
pub(crate) const SESSIONS_MAX: u32 = 100;

/// Identifies a session. It is no secret: only the token opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) Uuid);

impl SessionId {
    /// A new id, which sorts by `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(new_id(now))
    }

    /// The session that a caller came with.
    pub(crate) fn of(caller: &Caller) -> Self {
        Self(caller.credential)
    }
}

/// What somebody logs in with.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The address of the account.
    pub(crate) email: Email,
    /// Its password, they say.
    pub(crate) password: Secret<String>,
}

/// Where a log-in comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What program it is.
    pub(crate) device: String,
    /// The credential it already has, good or not.
    pub(crate) presented: Option<Secret<String>>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Which.
    pub(crate) id: SessionId,
    /// Whose.
    pub(crate) user: UserId,
    /// The password it was made with; the session ends with that password.
    pub(crate) password_version: PasswordVersion,
    /// What program they logged in with.
    pub(crate) device: String,
    /// When they logged in.
    pub(crate) created_at: Timestamp,
    /// When it was last used, as far as it was noted.
    pub(crate) last_used_at: Timestamp,
    /// From when on it is refused, used or not.
    pub(crate) expires_at: Timestamp,
}

impl Session {
    /// A session of a user who has just proved to be who they are.
    pub(crate) fn new(user: &User, device: String, now: Timestamp, timeouts: Timeouts) -> Self {
        Self {
            id: SessionId::new(now),
            user: user.id,
            password_version: user.password_version,
            device,
            created_at: now,
            last_used_at: now,
            expires_at: now + timeouts.lifetime,
        }
    }

    /// How long it can last.
    pub(crate) fn lifetime(&self) -> Duration {
        self.expires_at.duration_since(self.created_at).unsigned_abs()
    }

    /// Whether its time is over.
    pub(crate) fn is_over(&self, now: Timestamp, timeouts: Timeouts) -> bool {
        now >= self.expires_at || now >= self.last_used_at + timeouts.idle
    }

    /// Whether it was made with the password that its user has.
    pub(crate) fn is_of(&self, user: Principal) -> bool {
        self.user == user.id && self.password_version == user.password_version
    }
}
