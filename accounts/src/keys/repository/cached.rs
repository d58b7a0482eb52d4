//! Keys that machines show with every request, kept in the memory of each process.

use std::{sync::Arc, time::Duration};

use mainstay::{
    core::Timestamp,
    store::{Cache, CacheSpec, Caches, Scope, Tag},
    tokens::TokenHash,
};

use super::{Answer, Repository};
use crate::{
    keys::{
        error::CreateError,
        model::{Key, KeyId},
    },
    users::UserId,
};

/// How long a key is served as it was read. It is also the bound for what no process of the service
/// is told of, such as a change by hand.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Keeps in memory what `stored` answers about tokens. Values stay in the process.
pub(crate) fn cached(stored: Arc<dyn Repository>, caches: &Caches) -> Arc<dyn Repository> {
    let by_token = caches.in_process(CacheSpec {
        ttl: KEPT_FOR,
        // Nobody can have shown the token of a key before it was made.
        negative_ttl: KEPT_FOR,
        weigh: |key: &Key| (size_of::<Key>() + key.name.0.reveal().len()) as u64,
        tags: |key| vec![tag(key.id)],
        ..CacheSpec::new("keys")
    });
    Arc::new(Cached { stored, caches: caches.clone(), by_token })
}

struct Cached {
    stored: Arc<dyn Repository>,
    caches: Caches,
    by_token: Cache<Key>,
}

/// What finds a key of which the token is not known.
fn tag(id: KeyId) -> Tag {
    Tag::new("key", id.0)
}

impl Repository for Cached {
    fn create<'a>(&'a self, key: &'a Key, token: TokenHash) -> Answer<'a, (), CreateError> {
        // Those that it removes are no longer good, which is seen without it.
        self.stored.create(key, token)
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Key>>> {
        let stored = self.stored.clone();
        let load = move || async move {
            let found = stored.find(token).await?;
            Ok(found.map(Arc::unwrap_or_clone))
        };
        Box::pin(async move { self.by_token.get_or_load(&token.to_hex(), load).await })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Key>> {
        self.stored.list(user)
    }

    fn delete(&self, id: KeyId, user: Option<UserId>) -> Answer<'_, Option<UserId>> {
        Box::pin(self.caches.write(Scope::tag(&tag(id)), self.stored.delete(id, user)))
    }

    fn note_use(&self, id: KeyId, now: Timestamp) {
        self.stored.note_use(id, now);
    }
}
