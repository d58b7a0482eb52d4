//! Sessions on the wire. The schema of a type here is what is enforced, and what is published.

use mainstay::{
    core::{Caller, Pii, Secret, Timestamp},
    tokens::Token,
    web::{Page, Transport},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{self, Credentials, SessionId};
use crate::users::{Email, UserId};

/// What somebody logs in with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    /// The address of the account, in whatever case.
    #[schemars(email)]
    email: Pii<String>,
    /// Its password.
    // Only the upper bound of registration: a rule for new passwords must not lock old ones out.
    #[schemars(length(min = 1, max = 128))]
    password: Secret<String>,
}

impl From<LogIn> for Credentials {
    fn from(body: LogIn) -> Self {
        Self { email: Email(body.email), password: body.password }
    }
}

/// The path of one session.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    /// The session's id.
    id: Uuid,
}

impl From<ById> for SessionId {
    fn from(path: ById) -> Self {
        Self(path.id)
    }
}

/// The path of one user's sessions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfUser {
    /// The user's id.
    id: Uuid,
}

impl From<OfUser> for UserId {
    fn from(path: OfUser) -> Self {
        Self(path.id)
    }
}

/// A session that has just begun.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewSession {
    /// Which.
    id: Uuid,
    /// Send it as `Authorization: Bearer`. It is told this once. Null where it travels in a
    /// cookie.
    token: Option<String>,
    /// From when on it is refused.
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires_at: Timestamp,
}

impl NewSession {
    pub(super) fn new(session: &model::Session, token: &Token, transport: Transport) -> Self {
        let is_shown = transport == Transport::Bearer;
        Self {
            id: session.id.0,
            token: is_shown.then(|| token.reveal().to_owned()),
            expires_at: session.expires_at,
        }
    }
}

/// One of the caller's sessions.
#[derive(Serialize, JsonSchema)]
pub(super) struct Session {
    /// Which.
    id: Uuid,
    /// The program that logged in, as far as it can be told: `Firefox on Linux`.
    device: String,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schemars(with = "String", extend("format" = "date-time"))]
    last_used_at: Timestamp,
    /// From when on it is refused, used or not.
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires_at: Timestamp,
    /// Whether it is the one this request came with.
    current: bool,
}

/// A caller's sessions: always one page, because an account has only so many.
pub(super) fn page(sessions: Vec<model::Session>, caller: &Caller) -> Page<Session> {
    let shown = |session: model::Session| Session {
        id: session.id.0,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        current: session.id == SessionId::of(caller),
        device: session.device,
    };
    Page { items: sessions.into_iter().map(shown).collect(), next_cursor: None }
}
