//! Where flags are kept: the contract, and its SQL.

mod cached;

use std::{collections::BTreeSet, future::Future, pin::Pin, str::FromStr, sync::Arc};

use mainstay::{
    core::Subject,
    store::{Database, FromRow, FromValue, Mismatch, Row, StoreError, Transaction, Value, params},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::cached::cached;
use super::model::{
    Change, ChangeKind, Definition, Fields, Flag, FlagKey, FlagSet, Rollout, Version,
};

/// What a repository answers: boxed, so that the service need not be generic over it.
pub(crate) type Answer<'a, T, E = StoreError> =
    Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps flags, and who changed them.
///
/// A change is made, and written down, if the set is still of the version before its own. Each
/// answers whether it was.
pub(crate) trait Repository: Send + Sync + 'static {
    /// Every flag, to be shown and evaluated. May come from a cache.
    fn all(&self) -> Answer<'_, Arc<FlagSet>>;

    /// Every flag as it is now, for a change to be decided on. Never comes from a cache: a change
    /// that is refused on what was is not tried.
    fn current(&self) -> Answer<'_, Arc<FlagSet>>;

    /// Adds a flag that is not there.
    fn create<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool>;

    /// Replaces a flag that is there.
    fn update<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool>;

    /// Removes the flag of the change.
    fn delete<'a>(&'a self, change: &'a Change) -> Answer<'a, bool>;

    /// The newest changes of a flag from before a version, newest first; so many at most.
    fn changes<'a>(
        &'a self,
        key: &'a FlagKey,
        before: Version,
        limit: u32,
    ) -> Answer<'a, Vec<Change>>;
}

/// Keeps flags in a database.
pub(crate) fn sql(database: Database) -> Arc<dyn Repository> {
    Arc::new(Sql(database))
}

struct Sql(Database);

impl Sql {
    /// Begins a transaction with the next version of the set; `None` if it is not the next one.
    ///
    /// Where writers do not wait for each other, those of flags do here, at the one row.
    async fn begin(&self, change: &Change) -> Result<Option<Transaction>, StoreError> {
        let mut tx = self.0.begin().await?;
        let claim = "INSERT INTO flag_set (id, version) VALUES (1, $1) \
                     ON CONFLICT (id) DO UPDATE SET version = $1 WHERE flag_set.version = $2";
        let version = change.version.0;
        if tx.execute(claim, params![version, version - 1]).await? == 0 {
            tx.rollback().await?;
            return Ok(None);
        }
        let insert = "INSERT INTO flag_changes (version, flag_key, kind, actor_id, changed_at, \
                      fields_before, fields_after) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = params![
            version,
            change.flag.0.as_str(),
            kind_text(change.kind),
            change.actor.0,
            change.at,
            written(&change.before)?,
            written(&change.after)?,
        ];
        tx.execute(insert, values).await?;
        Ok(Some(tx))
    }

    /// Makes a change by one statement.
    async fn make(
        &self,
        change: &Change,
        statement: &'static str,
        values: Vec<Value>,
    ) -> Result<bool, StoreError> {
        let Some(mut tx) = self.begin(change).await? else { return Ok(false) };
        tx.execute(statement, values).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Repository for Sql {
    fn all(&self) -> Answer<'_, Arc<FlagSet>> {
        self.current()
    }

    fn current(&self) -> Answer<'_, Arc<FlagSet>> {
        // One statement, so that the version is that of the flags. Before the first change there is
        // no row at all.
        let select = "SELECT flag_set.version AS set_version, key, description, enabled, \
                      rollout_basis_points, allow, prerequisites, flags.version, created_at, \
                      updated_at FROM flag_set LEFT JOIN flags ON true";
        Box::pin(async move {
            let rows: Vec<InSet> = self.0.query(select, params![]).await?;
            let version = rows.first().map(|row| row.version).unwrap_or_default();
            let flags = rows.into_iter().filter_map(|row| row.flag).map(Arc::new).collect();
            Ok(Arc::new(FlagSet::new(version, flags)))
        })
    }

    fn create<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        let insert = "INSERT INTO flags (key, description, enabled, rollout_basis_points, allow, \
                      prerequisites, version, updated_at, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        Box::pin(async move {
            let mut values = row(flag);
            values.push(flag.created_at.into());
            self.make(change, insert, values).await
        })
    }

    fn update<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        let update = "UPDATE flags SET description = $2, enabled = $3, rollout_basis_points = $4, \
                      allow = $5, prerequisites = $6, version = $7, updated_at = $8 \
                      WHERE key = $1";
        Box::pin(self.make(change, update, row(flag)))
    }

    fn delete<'a>(&'a self, change: &'a Change) -> Answer<'a, bool> {
        let delete = "DELETE FROM flags WHERE key = $1";
        Box::pin(self.make(change, delete, params![change.flag.0.as_str()]))
    }

    fn changes<'a>(
        &'a self,
        key: &'a FlagKey,
        before: Version,
        limit: u32,
    ) -> Answer<'a, Vec<Change>> {
        let select = "SELECT version, flag_key, kind, actor_id, changed_at, fields_before, \
                      fields_after FROM flag_changes WHERE flag_key = $1 AND version < $2 \
                      ORDER BY version DESC LIMIT $3";
        Box::pin(self.0.query(select, params![key.0.as_str(), before.0, limit]))
    }
}

/// The values of a row but its first time, in the order of both statements above.
fn row(flag: &Flag) -> Vec<Value> {
    let Definition { description, enabled, rollout, allow, prerequisites } = &flag.definition;
    params![
        flag.key.0.as_str(),
        description.as_str(),
        *enabled,
        rollout.0,
        joined(allow.iter().map(Subject::to_string)),
        joined(prerequisites.iter().map(|key| key.0.clone())),
        flag.version.0,
        flag.updated_at,
    ]
}

/// What a column holds that is a list.
fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// A list as a column holds it.
struct Words<T>(BTreeSet<T>);

impl<T: FromStr + Ord> FromValue for Words<T> {
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        let text = String::from_value(value)?;
        let words = text.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        words.map(Self).map_err(|_| Mismatch)
    }
}

/// A row of the set: one for each flag, or a single one without a flag.
struct InSet {
    version: Version,
    flag: Option<Flag>,
}

impl FromRow for InSet {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let version = Version(row.get("set_version")?);
        let Some(key) = row.get::<Option<String>>("key")? else {
            return Ok(Self { version, flag: None });
        };
        let prerequisites = row.get::<Words<String>>("prerequisites")?.0;
        let definition = Definition {
            description: row.get("description")?,
            enabled: row.get("enabled")?,
            rollout: Rollout(row.get("rollout_basis_points")?),
            allow: row.get::<Words<_>>("allow")?.0,
            prerequisites: prerequisites.into_iter().map(FlagKey).collect(),
        };
        let flag = Flag {
            key: FlagKey(key),
            definition,
            version: Version(row.get("version")?),
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        };
        Ok(Self { version, flag: Some(flag) })
    }
}

/// What the column `kind` holds.
const fn kind_text(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Deleted => "deleted",
    }
}

impl FromValue for ChangeKind {
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match String::from_value(value)?.as_str() {
            "created" => Ok(Self::Created),
            "updated" => Ok(Self::Updated),
            "deleted" => Ok(Self::Deleted),
            _ => Err(Mismatch),
        }
    }
}

/// Fields as they are written down. What is no longer a field is passed over.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_basis_points: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<BTreeSet<Uuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisites: Option<BTreeSet<String>>,
}

fn written(fields: &Fields) -> Result<serde_json::Value, StoreError> {
    let Fields { description, enabled, rollout, allow, prerequisites } = fields.clone();
    let written = Written {
        description,
        enabled,
        rollout_basis_points: rollout.map(|rollout| rollout.0),
        allow: allow.map(|allow| allow.into_iter().map(|subject| subject.0).collect()),
        prerequisites: prerequisites.map(|keys| keys.into_iter().map(|key| key.0).collect()),
    };
    serde_json::to_value(written).map_err(|error| StoreError::Internal(error.into()))
}

impl FromValue for Fields {
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        let json = serde_json::Value::from_value(value)?;
        let written: Written = serde_json::from_value(json).map_err(|_| Mismatch)?;
        Ok(Self {
            description: written.description,
            enabled: written.enabled,
            rollout: written.rollout_basis_points.map(Rollout),
            allow: written.allow.map(|allow| allow.into_iter().map(Subject).collect()),
            prerequisites: written
                .prerequisites
                .map(|keys| keys.into_iter().map(FlagKey).collect()),
        })
    }
}

impl FromRow for Change {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            version: Version(row.get("version")?),
            flag: FlagKey(row.get("flag_key")?),
            kind: row.get("kind")?,
            actor: Subject(row.get("actor_id")?),
            at: row.get("changed_at")?,
            before: row.get("fields_before")?,
            after: row.get("fields_after")?,
        })
    }
}

#[cfg(test)]
mod tests;
