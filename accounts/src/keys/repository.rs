//! Where keys are kept: the contract, and its SQL.

mod cached;

use std::{future::Future, pin::Pin, sync::Arc};

use mainstay::{
    core::Timestamp,
    store::{Database, FromRow, FromValue, Mismatch, ResultExt, Row, StoreError, Value, params},
    tokens::TokenHash,
};

pub(crate) use self::cached::cached;
use super::{
    error::CreateError,
    model::{KEYS_MAX, Key, KeyId, KeyName, Scope},
};
use crate::users::{PasswordVersion, UserId};

/// What a repository answers: boxed, so that the service need not be generic over it.
pub(crate) type Answer<'a, T, E = StoreError> =
    Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps keys. Those of a user end with the user.
pub(crate) trait Repository: Send + Sync + 'static {
    /// Adds a key, in the place of those of its owner that are no longer good: expired, or made
    /// with an earlier password. Its owner may have been removed meanwhile.
    fn create<'a>(&'a self, key: &'a Key, token: TokenHash) -> Answer<'a, (), CreateError>;

    /// The key whose token has this hash, expired or not.
    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Key>>>;

    /// A user's keys, newest first.
    fn list(&self, user: UserId) -> Answer<'_, Vec<Key>>;

    /// Removes a key if it is this user's; of `None`, whoever's it is. Answers whose it was.
    fn delete(&self, id: KeyId, user: Option<UserId>) -> Answer<'_, Option<UserId>>;

    /// Notes, some time soon, that a key was used.
    fn note_use(&self, id: KeyId, now: Timestamp);
}

/// Keeps keys in a database.
pub(crate) fn sql(database: Database) -> Arc<dyn Repository> {
    Arc::new(Sql(database))
}

struct Sql(Database);

impl Repository for Sql {
    fn create<'a>(&'a self, key: &'a Key, token: TokenHash) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let mut tx = self.0.begin().await?;
            // Two at a time must not both take the last place: where writers do not wait for each
            // other, this makes those of one owner.
            let lock = "UPDATE users SET version = version WHERE id = $1";
            tx.execute(lock, params![key.user.0]).await?;
            let prune = "DELETE FROM keys \
                         WHERE user_id = $1 AND (expires_at <= $2 OR password_version < $3)";
            let values = params![key.user.0, key.created_at, key.password_version.0];
            tx.execute(prune, values).await?;
            let insert = "INSERT INTO keys (id, user_id, name, scopes, token_hash, \
                          password_version, created_at, expires_at) \
                          SELECT $1, $2, $3, $4, $5, $6, $7, $8 \
                          WHERE (SELECT count(*) FROM keys WHERE user_id = $2) < $9";
            let values = params![
                key.id.0,
                key.user.0,
                key.name.0.reveal().as_str(),
                written(&key.scopes),
                token.as_bytes().to_vec(),
                key.password_version.0,
                key.created_at,
                key.expires_at,
                KEYS_MAX,
            ];
            let inserted = tx.execute(insert, values).await;
            let inserted = inserted.on_constraint("foreign_key", CreateError::UserNotFound)?;
            tx.commit().await?;
            (inserted > 0).then_some(()).ok_or(CreateError::TooMany)
        })
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Key>>> {
        let select = "SELECT id, user_id, name, scopes, password_version, created_at, expires_at, \
                      last_used_at, token_hash FROM keys WHERE token_hash = $1";
        Box::pin(async move {
            let found: Option<ByToken> =
                self.0.query_optional(select, params![token.as_bytes().to_vec()]).await?;
            Ok(found.filter(|found| found.token == Some(token)).map(|found| Arc::new(found.key)))
        })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Key>> {
        let select = "SELECT id, user_id, name, scopes, password_version, created_at, expires_at, \
                      last_used_at FROM keys WHERE user_id = $1 \
                      ORDER BY created_at DESC, id DESC";
        Box::pin(self.0.query(select, params![user.0]))
    }

    fn delete(&self, id: KeyId, user: Option<UserId>) -> Answer<'_, Option<UserId>> {
        Box::pin(async move {
            let owners: Vec<Owner> = if let Some(user) = user {
                let delete = "DELETE FROM keys WHERE id = $1 AND user_id = $2 RETURNING user_id";
                self.0.execute_returning(delete, params![id.0, user.0]).await?
            } else {
                let delete = "DELETE FROM keys WHERE id = $1 RETURNING user_id";
                self.0.execute_returning(delete, params![id.0]).await?
            };
            Ok(owners.first().map(|owner| owner.0))
        })
    }

    fn note_use(&self, id: KeyId, now: Timestamp) {
        let update = "UPDATE keys SET last_used_at = $2 WHERE id = $1";
        self.0.execute_later(update, params![id.0, now]);
    }
}

/// A key with the hash it was found by. An index compares byte by byte; what counts is the
/// comparison in constant time after it.
struct ByToken {
    key: Key,
    token: Option<TokenHash>,
}

impl FromRow for ByToken {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let token = TokenHash::from_stored(&row.get::<Vec<u8>>("token_hash")?);
        Ok(Self { key: Key::from_row(row)?, token })
    }
}

/// Whose a key is.
struct Owner(UserId);

impl FromRow for Owner {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(UserId(row.get("user_id")?)))
    }
}

/// What the column `scopes` holds.
fn written(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name().0).collect::<Vec<_>>().join(" ")
}

/// The scopes of a key, as the column holds them.
struct Scopes(Vec<Scope>);

impl FromValue for Scopes {
    /// A scope that this version does not know opens nothing.
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        let text = String::from_value(value)?;
        Ok(Self(text.split(' ').filter_map(Scope::named).collect()))
    }
}

impl FromRow for Key {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: KeyId(row.get("id")?),
            user: UserId(row.get("user_id")?),
            name: KeyName(row.get::<String>("name")?.into()),
            scopes: row.get::<Scopes>("scopes")?.0,
            password_version: PasswordVersion(row.get("password_version")?),
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            last_used_at: row.get("last_used_at")?,
        })
    }
}

#[cfg(test)]
mod tests;
