//! All flags at once, shared by the processes and kept in the memory of each: what is evaluated
//! with every request is read from the database once for all of them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mainstay::{
    core::{Subject, Timestamp},
    store::{Cache, CacheSpec, Caches, Scope},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Answer, Repository};
use crate::flags::model::{Change, Definition, Flag, FlagKey, FlagSet, Rollout, Version};

/// There is one entry.
const ALL: &str = "all";

/// How long the flags are served as they were read, and twice as long while they are read anew.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// How much longer they are served while the database cannot be read: features should not go off
/// because of it.
const KEPT_WITHOUT_DATABASE: Duration = Duration::from_mins(10);

/// More is read by each process for itself. Taste: far more than flags without long allow-lists.
const SHARED_MAX: usize = 1 << 20;

/// Keeps in memory what `stored` answers about all flags, until one of them is changed.
pub(crate) fn cached(stored: Arc<dyn Repository>, caches: &Caches) -> Arc<dyn Repository> {
    let all = caches.two_tier(CacheSpec {
        ttl: KEPT_FOR,
        stale_while_revalidate: KEPT_FOR,
        stale_if_error: KEPT_WITHOUT_DATABASE,
        shared_max: SHARED_MAX,
        ..CacheSpec::new("flags")
    });
    Arc::new(Cached { stored, caches: caches.clone(), all })
}

struct Cached {
    stored: Arc<dyn Repository>,
    caches: Caches,
    all: Cache<Kept>,
}

impl Cached {
    fn scope(&self) -> Scope {
        self.all.scope([ALL])
    }
}

impl Repository for Cached {
    fn all(&self) -> Answer<'_, Arc<FlagSet>> {
        let stored = self.stored.clone();
        let load = move || async move { Ok(Some(Kept(stored.all().await?))) };
        Box::pin(async move {
            let kept = self.all.get_or_load(ALL, load).await?;
            Ok(kept.map(|kept| kept.0.clone()).unwrap_or_default())
        })
    }

    fn current(&self) -> Answer<'_, Arc<FlagSet>> {
        self.stored.current()
    }

    fn create<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(self.caches.write(self.scope(), self.stored.create(flag, change)))
    }

    fn update<'a>(&'a self, flag: &'a Flag, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(self.caches.write(self.scope(), self.stored.update(flag, change)))
    }

    fn delete<'a>(&'a self, change: &'a Change) -> Answer<'a, bool> {
        Box::pin(self.caches.write(self.scope(), self.stored.delete(change)))
    }

    fn changes<'a>(
        &'a self,
        key: &'a FlagKey,
        before: Version,
        limit: u32,
    ) -> Answer<'a, Vec<Change>> {
        self.stored.changes(key, before, limit)
    }
}

/// The set, ready to be evaluated here and written down for other processes.
#[derive(Clone, Deserialize, Serialize)]
#[serde(from = "KeptSet", into = "KeptSet")]
struct Kept(Arc<FlagSet>);

/// A set as it is written down. Count up the `version` of the cache when it changes.
#[derive(Deserialize, Serialize)]
struct KeptSet {
    version: i64,
    flags: Vec<KeptFlag>,
}

#[derive(Deserialize, Serialize)]
struct KeptFlag {
    key: String,
    description: String,
    enabled: bool,
    rollout: u32,
    allow: BTreeSet<Uuid>,
    prerequisites: BTreeSet<String>,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Kept> for KeptSet {
    fn from(Kept(set): Kept) -> Self {
        Self { version: set.version.0, flags: set.flags().map(|flag| (&**flag).into()).collect() }
    }
}

impl From<KeptSet> for Kept {
    fn from(kept: KeptSet) -> Self {
        let flags = kept.flags.into_iter().map(|flag| Arc::new(flag.into())).collect();
        Self(Arc::new(FlagSet::new(Version(kept.version), flags)))
    }
}

impl From<&Flag> for KeptFlag {
    fn from(flag: &Flag) -> Self {
        let Definition { description, enabled, rollout, allow, prerequisites } = &flag.definition;
        Self {
            key: flag.key.0.clone(),
            description: description.clone(),
            enabled: *enabled,
            rollout: rollout.0,
            allow: allow.iter().map(|subject| subject.0).collect(),
            prerequisites: prerequisites.iter().map(|key| key.0.clone()).collect(),
            version: flag.version.0,
            created_at: flag.created_at,
            updated_at: flag.updated_at,
        }
    }
}

impl From<KeptFlag> for Flag {
    fn from(kept: KeptFlag) -> Self {
        Self {
            key: FlagKey(kept.key),
            definition: Definition {
                description: kept.description,
                enabled: kept.enabled,
                rollout: Rollout(kept.rollout),
                allow: kept.allow.into_iter().map(Subject).collect(),
                prerequisites: kept.prerequisites.into_iter().map(FlagKey).collect(),
            },
            version: Version(kept.version),
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use mainstay::core::new_id;

    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_written_down() {
        let now = Timestamp::UNIX_EPOCH;
        let flag = |key: &str, prerequisites: &[&str]| Flag {
            key: FlagKey(key.to_owned()),
            definition: Definition {
                description: "\"quoted\" and ä".to_owned(),
                enabled: true,
                rollout: Rollout(1234),
                allow: [Subject(new_id(now))].into(),
                prerequisites: prerequisites.iter().map(|&key| FlagKey(key.to_owned())).collect(),
            },
            version: Version(7),
            created_at: now,
            updated_at: now,
        };
        let flags = [flag("one", &[]), flag("two", &["one", "gone"])].map(Arc::new);
        let kept = Kept(Arc::new(FlagSet::new(Version(9), flags.to_vec())));
        let text = serde_json::to_string(&kept).expect("is written");
        let read: Kept = serde_json::from_str(&text).expect("is read");
        assert_eq!(read.0, kept.0);
    }
}
