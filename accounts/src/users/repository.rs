//! Where users are kept: the contract, and its SQL.

mod cached;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use mainstay::{
    core::Timestamp,
    passwords::PasswordHash,
    store::{Database, FromRow, FromValue, Mismatch, ResultExt, Row, StoreError, Value, params},
};

pub(crate) use self::cached::cached;
use super::{
    error::{CreateError, UpdateError},
    model::{
        Account, Attempt, Email, Failures, PasswordVersion, Position, Principal, Role, TargetKey,
        User, UserId, UserName, Version,
    },
};

/// What a repository answers: boxed, so that the service need not be generic over it.
pub(crate) type Answer<'a, T, E = StoreError> =
    Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// How old a list may be where it is read from a replica. Taste: nobody who looks through users
/// misses who has registered in the last second.
pub(crate) const LIST_STALENESS_MAX: Duration = Duration::from_secs(1);

/// Keeps users. Two of them never have addresses with the same key.
pub(crate) trait Repository: Send + Sync + 'static {
    /// Adds a user.
    fn create<'a>(
        &'a self,
        user: &'a User,
        password: Option<&'a PasswordHash>,
    ) -> Answer<'a, (), CreateError>;

    /// Adds an administrator. A user with the same address is promoted instead and gets the
    /// password. Answers the user as it is now kept.
    fn create_admin<'a>(&'a self, admin: &'a User, password: &'a PasswordHash) -> Answer<'a, User>;

    /// The user of this id.
    fn find(&self, id: UserId) -> Answer<'_, Option<User>>;

    /// What counts about the user of this id. It may be as old as the bound of the caches.
    fn find_principal(&self, id: UserId) -> Answer<'_, Option<Principal>>;

    /// The account whose address has the same key.
    fn find_by_email<'a>(&'a self, email: &'a Email) -> Answer<'a, Option<Account>>;

    /// At most `limit` users that come after a place, newest first, as they were at most
    /// [`LIST_STALENESS_MAX`] ago.
    fn list(&self, after: Position, limit: u32) -> Answer<'_, Vec<User>>;

    /// Writes a user as its next version, if the one kept is still of the version that `user` has.
    /// Answers whether it was.
    fn update<'a>(&'a self, user: &'a User) -> Answer<'a, bool, UpdateError>;

    /// Removes a user and everything that is theirs, if the one kept is still of this version.
    /// Answers whether it was.
    fn delete(&self, id: UserId, version: Version) -> Answer<'_, bool>;

    /// Replaces the password of a user, if it is still the one that `user` has. Answers whether it
    /// was.
    fn set_password<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, bool>;

    /// Keeps another hash of the same password, if `user` still has it.
    fn rehash<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, ()>;

    /// The failures for a target, if there were any since the last success.
    fn find_failures(&self, target: TargetKey) -> Answer<'_, Option<Failures>>;

    /// Counts an attempt, if the failures are still those it was judged by. Answers whether they
    /// were: of several attempts at a time each is judged by those before it.
    fn begin_attempt(&self, attempt: Attempt) -> Answer<'_, bool>;

    /// Takes an attempt back that was not made.
    fn undo_attempt(&self, attempt: Attempt) -> Answer<'_, ()>;

    /// Forgets the failures for some targets.
    fn forget_failures<'a>(&'a self, targets: &'a [TargetKey]) -> Answer<'a, ()>;

    /// Forgets all failures that are older.
    fn prune_failures(&self, before: Timestamp) -> Answer<'_, ()>;
}

/// Keeps users in a database.
pub(crate) fn sql(database: Database) -> Arc<dyn Repository> {
    Arc::new(Sql(database))
}

struct Sql(Database);

impl Repository for Sql {
    fn create<'a>(
        &'a self,
        user: &'a User,
        password: Option<&'a PasswordHash>,
    ) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            let insert = "INSERT INTO users (id, email, email_key, name, age, role, version, \
                          password_version, created_at, password_hash) \
                          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
            let inserted = self.0.execute(insert, row(user, password)).await;
            inserted.on_constraint("users_email_key", CreateError::EmailTaken)?;
            Ok(())
        })
    }

    fn create_admin<'a>(&'a self, admin: &'a User, password: &'a PasswordHash) -> Answer<'a, User> {
        Box::pin(async move {
            let upsert = "INSERT INTO users (id, email, email_key, name, age, role, version, \
                          password_version, created_at, password_hash) \
                          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                          ON CONFLICT (email_key) DO UPDATE SET role = excluded.role, \
                          password_hash = excluded.password_hash, \
                          password_version = users.password_version + 1, \
                          version = users.version + 1 \
                          RETURNING id, email, name, age, role, version, password_version, \
                          created_at";
            let kept = self.0.execute_returning(upsert, row(admin, Some(password))).await?;
            kept.into_iter().next().ok_or(StoreError::NotFound)
        })
    }

    fn find(&self, id: UserId) -> Answer<'_, Option<User>> {
        let select = "SELECT id, email, name, age, role, version, password_version, created_at \
                      FROM users WHERE id = $1";
        Box::pin(self.0.query_optional(select, params![id.0]))
    }

    fn find_principal(&self, id: UserId) -> Answer<'_, Option<Principal>> {
        let select = "SELECT id, role, password_version FROM users WHERE id = $1";
        Box::pin(self.0.query_optional(select, params![id.0]))
    }

    fn find_by_email<'a>(&'a self, email: &'a Email) -> Answer<'a, Option<Account>> {
        let select = "SELECT id, email, name, age, role, version, password_version, created_at, \
                      password_hash FROM users WHERE email_key = $1";
        Box::pin(self.0.query_optional(select, params![email.key().into_revealed()]))
    }

    fn list(&self, after: Position, limit: u32) -> Answer<'_, Vec<User>> {
        let select = "SELECT id, email, name, age, role, version, password_version, created_at \
                      FROM users WHERE (created_at, id) < ($1, $2) \
                      ORDER BY created_at DESC, id DESC LIMIT $3";
        Box::pin(async move {
            let values = params![after.created_at, after.id.0, limit];
            self.0.bounded_staleness(LIST_STALENESS_MAX).query(select, values).await
        })
    }

    fn update<'a>(&'a self, user: &'a User) -> Answer<'a, bool, UpdateError> {
        Box::pin(async move {
            let update = "UPDATE users SET email = $3, email_key = $4, name = $5, age = $6, \
                          role = $7, version = version + 1 WHERE id = $1 AND version = $2";
            let values = params![
                user.id.0,
                user.version.0,
                user.email.0.reveal().as_str(),
                user.email.key().into_revealed(),
                user.name.0.reveal().as_str(),
                user.age,
                role_text(user.role),
            ];
            let updated = self.0.execute(update, values).await;
            Ok(updated.on_constraint("users_email_key", UpdateError::EmailTaken)? > 0)
        })
    }

    fn delete(&self, id: UserId, version: Version) -> Answer<'_, bool> {
        Box::pin(async move {
            let delete = "DELETE FROM users WHERE id = $1 AND version = $2";
            Ok(self.0.execute(delete, params![id.0, version.0]).await? > 0)
        })
    }

    fn set_password<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, bool> {
        Box::pin(async move {
            let update = "UPDATE users SET password_hash = $3, version = version + 1, \
                          password_version = password_version + 1 \
                          WHERE id = $1 AND password_version = $2";
            let values = params![user.id.0, user.password_version.0, password.to_phc()];
            Ok(self.0.execute(update, values).await? > 0)
        })
    }

    fn rehash<'a>(&'a self, user: &'a User, password: &'a PasswordHash) -> Answer<'a, ()> {
        Box::pin(async move {
            let update =
                "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_version = $2";
            let values = params![user.id.0, user.password_version.0, password.to_phc()];
            self.0.execute(update, values).await?;
            Ok(())
        })
    }

    fn find_failures(&self, target: TargetKey) -> Answer<'_, Option<Failures>> {
        let select = "SELECT failures, last_at FROM log_in_failures WHERE target = $1";
        Box::pin(self.0.query_optional(select, params![target.0.to_vec()]))
    }

    fn begin_attempt(&self, attempt: Attempt) -> Answer<'_, bool> {
        let Attempt { target, before, counted } = attempt;
        Box::pin(async move {
            let target = target.0.to_vec();
            let changed = if let Some(before) = before {
                let update = "UPDATE log_in_failures SET failures = $4, last_at = $5 \
                              WHERE target = $1 AND failures = $2 AND last_at = $3";
                let Failures { count, last_at } = before;
                let values = params![target, count, last_at, counted.count, counted.last_at];
                self.0.execute(update, values).await?
            } else {
                let insert = "INSERT INTO log_in_failures (target, failures, last_at) \
                              VALUES ($1, $2, $3) ON CONFLICT (target) DO NOTHING";
                self.0.execute(insert, params![target, counted.count, counted.last_at]).await?
            };
            Ok(changed > 0)
        })
    }

    fn undo_attempt(&self, attempt: Attempt) -> Answer<'_, ()> {
        let Attempt { target, before, counted } = attempt;
        Box::pin(async move {
            let target = || target.0.to_vec();
            // Others may have begun since: their time stays.
            let earlier = before.map_or(counted.last_at, |before| before.last_at);
            let update = "UPDATE log_in_failures SET failures = failures - 1, \
                          last_at = CASE WHEN last_at = $2 THEN $3 ELSE last_at END \
                          WHERE target = $1 AND failures > 1";
            if self.0.execute(update, params![target(), counted.last_at, earlier]).await? == 0 {
                let delete = "DELETE FROM log_in_failures WHERE target = $1 AND failures = 1";
                self.0.execute(delete, params![target()]).await?;
            }
            Ok(())
        })
    }

    fn forget_failures<'a>(&'a self, targets: &'a [TargetKey]) -> Answer<'a, ()> {
        Box::pin(async move {
            for target in targets {
                let delete = "DELETE FROM log_in_failures WHERE target = $1";
                self.0.execute(delete, params![target.0.to_vec()]).await?;
            }
            Ok(())
        })
    }

    fn prune_failures(&self, before: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let delete = "DELETE FROM log_in_failures WHERE last_at < $1";
            self.0.execute(delete, params![before]).await?;
            Ok(())
        })
    }
}

impl FromRow for Failures {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { count: row.get("failures")?, last_at: row.get("last_at")? })
    }
}

/// The values of an inserted row, in the order of both statements above.
fn row(user: &User, password: Option<&PasswordHash>) -> Vec<Value> {
    params![
        user.id.0,
        user.email.0.reveal().as_str(),
        user.email.key().into_revealed(),
        user.name.0.reveal().as_str(),
        user.age,
        role_text(user.role),
        user.version.0,
        user.password_version.0,
        user.created_at,
        password.map(PasswordHash::to_phc),
    ]
}

/// What the column `role` holds.
const fn role_text(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
    }
}

impl FromValue for Role {
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Text(role) if role == "user" => Ok(Self::User),
            Value::Text(role) if role == "admin" => Ok(Self::Admin),
            _ => Err(Mismatch),
        }
    }
}

impl FromRow for Principal {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.get("id")?),
            role: row.get("role")?,
            password_version: PasswordVersion(row.get("password_version")?),
        })
    }
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.get("id")?),
            email: Email(row.get::<String>("email")?.into()),
            name: UserName(row.get::<String>("name")?.into()),
            age: row.get("age")?,
            role: row.get("role")?,
            version: Version(row.get("version")?),
            password_version: PasswordVersion(row.get("password_version")?),
            created_at: row.get("created_at")?,
        })
    }
}

impl FromRow for Account {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let stored: Option<String> = row.get("password_hash")?;
        let password = stored.map(|phc| PasswordHash::parse(&phc)).transpose();
        Ok(Self {
            user: User::from_row(row)?,
            password: password.map_err(|invalid| StoreError::Internal(invalid.into()))?,
        })
    }
}

#[cfg(test)]
mod tests;
