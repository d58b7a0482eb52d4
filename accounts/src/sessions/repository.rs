//! Where sessions are kept: the contract, and its SQL.

mod cached;

use std::{future::Future, pin::Pin, sync::Arc};

use mainstay::{
    core::Timestamp,
    store::{Database, FromRow, ResultExt, Row, StoreError, params},
    tokens::TokenHash,
};

pub(crate) use self::cached::cached;
use super::{
    error::CreateError,
    model::{SESSIONS_MAX, Session, SessionId},
};
use crate::users::{PasswordVersion, UserId};

/// What a repository answers: boxed, so that the service need not be generic over it.
pub(crate) type Answer<'a, T, E = StoreError> =
    Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps sessions. Those of a user end with the user.
pub(crate) trait Repository: Send + Sync + 'static {
    /// Adds a session. Its user may have been removed since they proved who they are; then the
    /// credentials are no longer good.
    fn create<'a>(&'a self, session: &'a Session, token: TokenHash) -> Answer<'a, (), CreateError>;

    /// Ends what a new session leaves no room for: its user's sessions made with an earlier
    /// password, the oldest beyond the most an account may have, and everybody's that have expired.
    fn make_room<'a>(&'a self, session: &'a Session) -> Answer<'a, ()>;

    /// The session whose token has this hash, expired or not.
    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Session>>>;

    /// A user's sessions, newest first.
    fn list(&self, user: UserId) -> Answer<'_, Vec<Session>>;

    /// Ends a session if it is this user's. Answers whether it was.
    fn delete(&self, id: SessionId, user: UserId) -> Answer<'_, bool>;

    /// Ends the session whose token has this hash, if there is one.
    fn delete_by_token(&self, token: TokenHash) -> Answer<'_, ()>;

    /// Ends every session of a user but this one.
    fn delete_others(&self, kept: SessionId, user: UserId) -> Answer<'_, ()>;

    /// Ends every session of a user.
    fn delete_all(&self, user: UserId) -> Answer<'_, ()>;

    /// Notes, some time soon, that a session was used.
    fn note_use(&self, id: SessionId, now: Timestamp);
}

/// Keeps sessions in a database.
pub(crate) fn sql(database: Database) -> Arc<dyn Repository> {
    Arc::new(Sql(database))
}

struct Sql(Database);

impl Repository for Sql {
    fn create<'a>(&'a self, session: &'a Session, token: TokenHash) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let insert = "INSERT INTO sessions (id, user_id, token_hash, password_version, \
                          device, created_at, last_used_at, expires_at) \
                          VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let values = params![
                session.id.0,
                session.user.0,
                token.as_bytes().to_vec(),
                session.password_version.0,
                session.device.as_str(),
                session.created_at,
                session.last_used_at,
                session.expires_at,
            ];
            let inserted = self.0.execute(insert, values).await;
            inserted.on_constraint("foreign_key", CreateError::InvalidCredentials)?;
            Ok(())
        })
    }

    fn make_room<'a>(&'a self, session: &'a Session) -> Answer<'a, ()> {
        Box::pin(async move {
            let prune = "DELETE FROM sessions WHERE expires_at <= $2 OR user_id = $1 \
                         AND id <> $5 AND (password_version < $3 OR id NOT IN \
                         (SELECT id FROM sessions WHERE user_id = $1 AND id <> $5 \
                         ORDER BY created_at DESC, id DESC LIMIT $4))";
            let values = params![
                session.user.0,
                session.created_at,
                session.password_version.0,
                SESSIONS_MAX - 1,
                // Not the oldest, even if the clock was set back.
                session.id.0,
            ];
            self.0.execute(prune, values).await?;
            Ok(())
        })
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Session>>> {
        let select = "SELECT id, user_id, password_version, device, created_at, last_used_at, \
                      expires_at, token_hash FROM sessions WHERE token_hash = $1";
        Box::pin(async move {
            let found: Option<ByToken> =
                self.0.query_optional(select, params![token.as_bytes().to_vec()]).await?;
            Ok(found
                .filter(|found| found.token == Some(token))
                .map(|found| Arc::new(found.session)))
        })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Session>> {
        let select = "SELECT id, user_id, password_version, device, created_at, last_used_at, \
                      expires_at \
                      FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC";
        Box::pin(self.0.query(select, params![user.0]))
    }

    fn delete(&self, id: SessionId, user: UserId) -> Answer<'_, bool> {
        Box::pin(async move {
            let delete = "DELETE FROM sessions WHERE id = $1 AND user_id = $2";
            Ok(self.0.execute(delete, params![id.0, user.0]).await? > 0)
        })
    }

    fn delete_by_token(&self, token: TokenHash) -> Answer<'_, ()> {
        Box::pin(async move {
            let delete = "DELETE FROM sessions WHERE token_hash = $1";
            self.0.execute(delete, params![token.as_bytes().to_vec()]).await?;
            Ok(())
        })
    }

    fn delete_others(&self, kept: SessionId, user: UserId) -> Answer<'_, ()> {
        Box::pin(async move {
            let delete = "DELETE FROM sessions WHERE user_id = $2 AND id <> $1";
            self.0.execute(delete, params![kept.0, user.0]).await?;
            Ok(())
        })
    }

    fn note_use(&self, id: SessionId, now: Timestamp) {
        let update = "UPDATE sessions SET last_used_at = $2 WHERE id = $1";
        self.0.execute_later(update, params![id.0, now]);
    }

    fn delete_all(&self, user: UserId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.0.execute("DELETE FROM sessions WHERE user_id = $1", params![user.0]).await?;
            Ok(())
        })
    }
}

/// A session with the hash it was found by. An index compares byte by byte; what counts is the
/// comparison in constant time after it.
struct ByToken {
    session: Session,
    token: Option<TokenHash>,
}

impl FromRow for ByToken {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let token = TokenHash::from_stored(&row.get::<Vec<u8>>("token_hash")?);
        Ok(Self { session: Session::from_row(row)?, token })
    }
}

impl FromRow for Session {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: SessionId(row.get("id")?),
            user: UserId(row.get("user_id")?),
            password_version: PasswordVersion(row.get("password_version")?),
            device: row.get("device")?,
            created_at: row.get("created_at")?,
            // Null in a session that has not been used since it was kept by an earlier version.
            last_used_at: match row.get("last_used_at")? {
                Some(time) => time,
                None => row.get("created_at")?,
            },
            expires_at: row.get("expires_at")?,
        })
    }
}

#[cfg(test)]
mod tests;
