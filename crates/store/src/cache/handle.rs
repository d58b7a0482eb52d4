//! `Cache`: values by key, read through it and served from it.

use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use mainstay_core::{Step, StepKind, Work};

use super::{
    CacheSpec, CacheStats, Scope,
    caches::Inner,
    fences::Stamp,
    flights::{Boarding, Joinable},
    load::{Codec, Loader, Store, end},
    name,
    near::{Found, Known},
};
use crate::{database::Unit, error::StoreError};

/// Values of one kind, by key. Clones share it.
pub struct Cache<V>(Arc<Store<V>>);

impl<V: Send + Sync + 'static> Cache<V> {
    pub(super) fn new(caches: Arc<Inner>, spec: CacheSpec<V>, codec: Option<Codec<V>>) -> Self {
        Self(Arc::new(Store::new(caches, spec, codec)))
    }

    /// The value of a key: from this process, from Redis, or by `load`, which is asked once for all
    /// who want it meanwhile. `None` is an answer too and is kept for the `negative_ttl`.
    ///
    /// An error is kept by nobody. Who waited for the load that failed gets the same error, unless
    /// the caller that led it had run out of time; then another one leads. Dropping the future
    /// never holds up the others.
    ///
    /// Within a unit of work it only loads: what the unit has written is nobody else's to see yet,
    /// and what others see is not what the unit does.
    pub async fn get_or_load<F, L>(&self, key: &str, load: F) -> Result<Known<V>, StoreError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, StoreError>> + Send + 'static,
    {
        let store = &self.0;
        // Small where the value is here: whatever else it takes is on the heap.
        let load = || -> Loader<V> { Box::new(|| Box::pin(load())) };
        if Unit::is_current() {
            store.counters.bypasses.add();
            let step = Step::begin(StepKind::Cache, store.spec.name);
            let loaded = Work::part_of(step.id(), pin!(store.load(load()))).await;
            return end(step, loaded.map(|value| (value, "bypassed")));
        }
        // Before the entry is looked at: see `Shared::is_trusted`.
        if !store.caches.is_trusted() {
            let joinable = store.joinable_unproved();
            if let Some((value, age)) = store.find_recent(key) {
                // Ahead of its end, so that those who all want it need not wait for it together.
                if age > store.caches.bounds.staleness / 2 {
                    self.renew_behind(key, &joinable, load());
                }
                return Ok(value);
            }
            return Box::pin(store.find_or_load(key, &joinable, load())).await;
        }
        let now = store.caches.clock.monotonic();
        match store.near.find(key, &store.caches.fences, now) {
            Found::Fresh(value) => {
                store.counters.hits.add();
                Step::note(StepKind::Cache, store.spec.name, "hit", None);
                if value.is_none() {
                    store.counters.negative_hits.add();
                }
                Ok(value)
            }
            Found::Stale(value, stamp, late) => {
                Box::pin(self.renew(key, (value, stamp), late, load())).await
            }
            Found::Nothing => Box::pin(store.find_or_load(key, &Joinable::Legal, load())).await,
        }
    }

    /// Has a value read again, unless somebody does already.
    fn renew_behind(&self, key: &str, joinable: &Joinable, load: Loader<V>) {
        let store = &self.0;
        let name = name::of_entry(store.spec.name, key);
        if let Boarding::Lead(leader) = store.board(key, &name, joinable) {
            let (store, key) = (store.clone(), key.to_owned());
            // Nobody waits for it, so nobody is told when it fails: the next caller tries again.
            tokio::spawn(async move { store.lead(leader, &key, &name, load).await.map(drop) });
        }
    }

    /// Serves a value after the end of its life, where the cache may.
    async fn renew(
        &self,
        key: &str,
        (value, stamp): (Known<V>, Stamp),
        late: Duration,
        load: Loader<V>,
    ) -> Result<Known<V>, StoreError> {
        let store = &self.0;
        if late < store.spec.stale_while_revalidate {
            self.renew_behind(key, &Joinable::Legal, load);
            store.counters.stale.add();
            Step::note(StepKind::Cache, store.spec.name, "stale", None);
            return Ok(value);
        }
        let renewed = store.find_or_load(key, &Joinable::Legal, load).await;
        let may_serve = late < store.spec.stale_if_error
            && store.caches.is_trusted()
            && store.caches.fences.is_legal(&stamp);
        match renewed {
            Err(_) if may_serve => {
                store.counters.stale.add();
                Ok(value)
            }
            other => other,
        }
    }

    /// These entries, for [`Caches::write`](super::Caches::write).
    pub fn scope<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Scope {
        let spec = &self.0.spec;
        let names = keys.into_iter().map(|key| name::of_entry(spec.name, key.as_ref()));
        Scope::new(names.collect(), spec.on_outage)
    }

    /// What it has done so far.
    pub fn stats(&self) -> CacheStats {
        self.0.counters.read()
    }

    /// What it takes in this process, by estimate: entries, and bytes.
    pub fn size(&self) -> (usize, u64) {
        (self.0.near.len(), self.0.near.weight())
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cache").field(&self.0.spec).finish()
    }
}
