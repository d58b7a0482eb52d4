//! Keys on the wire. The schema of a type here is what is enforced, and what is published.

use std::{collections::BTreeSet, time::Duration};

use mainstay::{
    core::{Pii, Timestamp},
    tokens::Token,
    web::Page,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{self, KeyId, KeyName};
use crate::users::{NAME_MESSAGE, NAME_PATTERN, UserId};

/// What a key is good for: `users:read` to show and list users, `users:write` to change and remove
/// them; `flags:read` to show, list and evaluate flags, `flags:write` to make, replace and remove
/// them. Always within what its account may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub(super) enum Scope {
    // Doc comments here would turn the schema's `enum` into a `oneOf`.
    #[serde(rename = "users:read")]
    UsersRead,
    #[serde(rename = "users:write")]
    UsersWrite,
    #[serde(rename = "flags:read")]
    FlagsRead,
    #[serde(rename = "flags:write")]
    FlagsWrite,
}

impl From<Scope> for model::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::UsersRead => Self::UsersRead,
            Scope::UsersWrite => Self::UsersWrite,
            Scope::FlagsRead => Self::FlagsRead,
            Scope::FlagsWrite => Self::FlagsWrite,
        }
    }
}

impl From<model::Scope> for Scope {
    fn from(scope: model::Scope) -> Self {
        match scope {
            model::Scope::UsersRead => Self::UsersRead,
            model::Scope::UsersWrite => Self::UsersWrite,
            model::Scope::FlagsRead => Self::FlagsRead,
            model::Scope::FlagsWrite => Self::FlagsWrite,
        }
    }
}

/// A key to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What to call it.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = NAME_PATTERN),
        extend("x-pattern-message" = NAME_MESSAGE)
    )]
    name: Pii<String>,
    /// What it is to be good for.
    #[schemars(length(min = 1, max = 4))]
    scopes: BTreeSet<Scope>,
    /// After so many days it is refused.
    #[serde(default = "default_days")]
    #[schemars(range(min = 1, max = 366))]
    expires_in_days: u32,
    /// The account of a machine that it is for; the caller's own account if it is left out. For
    /// administrators.
    user_id: Option<Uuid>,
}

/// A quarter: long enough to forget how a key is replaced, short enough to find out in time.
const fn default_days() -> u32 {
    90
}

impl From<CreateKey> for model::NewKey {
    fn from(body: CreateKey) -> Self {
        Self {
            user: body.user_id.map(UserId),
            name: KeyName(body.name),
            scopes: body.scopes.into_iter().map(Into::into).collect(),
            lifetime: Duration::from_hours(24 * u64::from(body.expires_in_days)),
        }
    }
}

/// Whose keys to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListKeys {
    /// The account; the caller's own if it is left out. For administrators.
    user_id: Option<Uuid>,
}

impl From<ListKeys> for Option<UserId> {
    fn from(query: ListKeys) -> Self {
        query.user_id.map(UserId)
    }
}

/// The path of one key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    /// The key's id.
    id: Uuid,
}

impl From<ById> for KeyId {
    fn from(path: ById) -> Self {
        Self(path.id)
    }
}

/// An API key.
#[derive(Serialize, JsonSchema)]
pub(super) struct Key {
    /// Which.
    id: Uuid,
    /// What it is called.
    name: String,
    /// What it is good for.
    scopes: Vec<Scope>,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    /// From when on it is refused.
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires_at: Timestamp,
    /// When it was last used, to the minute; null if it was not.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    last_used_at: Option<Timestamp>,
}

impl From<model::Key> for Key {
    fn from(key: model::Key) -> Self {
        Self {
            id: key.id.0,
            name: key.name.0.into_revealed(),
            scopes: key.scopes.into_iter().map(Into::into).collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// An API key that has just been made.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewKey {
    /// The key.
    #[serde(flatten)]
    key: Key,
    /// Send it as `Authorization: Bearer`. It is told this once.
    token: String,
}

impl NewKey {
    pub(super) fn new(key: model::Key, token: &Token) -> Self {
        Self { key: key.into(), token: token.reveal().to_owned() }
    }
}

/// An account's keys: always one page, because it has only so many.
pub(super) fn page(keys: Vec<model::Key>) -> Page<Key> {
    Page { items: keys.into_iter().map(Into::into).collect(), next_cursor: None }
}
