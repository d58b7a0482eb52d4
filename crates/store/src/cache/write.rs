//! Writes: what they invalidate, before and after their commit.

use std::{future::Future, mem, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    Caches, OnOutage, Tag,
    caches::Inner,
    fences::{Fence, Fences},
    shared::Owed,
};
use crate::{
    database::Unit,
    error::{Cause, StoreError},
};

/// What a write invalidates: entries by their keys, and all that carry a tag.
#[derive(Clone, Debug)]
#[must_use]
pub struct Scope {
    names: Vec<String>,
    on_outage: OnOutage,
}

impl Scope {
    pub(super) const fn new(names: Vec<String>, on_outage: OnOutage) -> Self {
        Self { names, on_outage }
    }

    /// All entries that carry a tag, in every cache.
    pub fn tag(tag: &Tag) -> Self {
        Self::new(vec![tag.name()], OnOutage::Proceed)
    }

    /// This and that. Refuses in an outage if one of them does.
    pub fn and(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.on_outage = self.on_outage.max(other.on_outage);
        self
    }

    /// Refuses the write when other processes cannot be told, whatever the caches say.
    pub fn or_refuse(mut self) -> Self {
        self.on_outage = OnOutage::Refuse;
        self
    }
}

impl Caches {
    /// Runs a write and invalidates what it changes, in every process, before it returns.
    ///
    /// When it has returned, no process serves what was there before for longer than the bound
    /// ([`CachesOptions::staleness`](super::CachesOptions)), and this one does not at all. An
    /// error, a dropped future or the end of the process leaves open what was written: nothing of
    /// the scope is kept for [`CachesOptions::write_max`](super::CachesOptions) then.
    ///
    /// Within a unit of work nothing is written until the unit is; the names stay closed until
    /// then.
    ///
    /// Fails with [`StoreError::Unavailable`], before `commit` is polled, where the scope refuses
    /// and Redis does not answer.
    pub async fn write<T, E: From<StoreError>>(
        &self,
        scope: Scope,
        commit: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let intent = Intent::declare(self.inner(), scope).await?;
        let written = commit.await?;
        match Unit::current() {
            Some(unit) => unit.afterwards(Box::new(|| Box::pin(intent.settle()))),
            None => intent.settle().await,
        }
        Ok(written)
    }
}

/// A write that may have begun. Dropped, it leaves its names closed for as long as a commit may
/// take, here and in Redis.
struct Intent {
    caches: Arc<Inner>,
    names: Vec<String>,
    token: String,
    closed: Closed,
}

impl Intent {
    async fn declare(caches: &Arc<Inner>, scope: Scope) -> Result<Self, StoreError> {
        let Scope { mut names, on_outage } = scope;
        names.sort_unstable();
        names.dedup();
        let mut intent = Self {
            closed: Closed::new(&caches.fences, &names),
            caches: caches.clone(),
            names,
            token: format!("{:032x}", fastrand::u128(..)),
        };
        if let Some(shared) = &caches.shared {
            let mut told = shared.announce(&intent.names, &intent.token).await;
            if told.is_err() && shared.comes_back().await {
                told = shared.announce(&intent.names, &intent.token).await;
            }
            if let Err(failure) = told
                && on_outage == OnOutage::Refuse
            {
                // Nothing was written.
                mem::take(&mut intent.closed).open();
                return Err(StoreError::Unavailable(Cause::from(failure)));
            }
        }
        Ok(intent)
    }

    /// Ends the write: it has been committed, or undone.
    async fn settle(mut self) {
        let caches = self.caches.clone();
        let Some(shared) = &caches.shared else {
            return mem::take(&mut self.closed).open();
        };
        // What this process has read meanwhile is of no use to it from now on.
        self.closed.raise();
        if shared.publish(&self.names, &self.token).await.is_ok() {
            return mem::take(&mut self.closed).open();
        }
        let (names, closed) = (mem::take(&mut self.names), mem::take(&mut self.closed));
        let paid = shared.owe(Owed { names, closed });
        shared.until_harmless(paid).await;
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        mem::take(&mut self.closed).linger(self.caches.bounds.write_max);
    }
}

/// Names that this process keeps nothing of. Opened when it is dropped.
#[derive(Default)]
pub(super) struct Closed(Option<(Arc<Fences>, What)>);

enum What {
    Names(Vec<Fence>),
    Everything,
}

impl Closed {
    pub(super) fn new(fences: &Arc<Fences>, names: &[String]) -> Self {
        let closed: Vec<_> = names.iter().map(|name| fences.of(name)).collect();
        for fence in &closed {
            fences.close(*fence);
        }
        Self(Some((fences.clone(), What::Names(closed))))
    }

    pub(super) fn everything(fences: &Arc<Fences>) -> Self {
        fences.close_all();
        Self(Some((fences.clone(), What::Everything)))
    }

    fn raise(&self) {
        if let Some((fences, What::Names(closed))) = &self.0 {
            for fence in closed {
                fences.raise(*fence);
            }
        }
    }

    pub(super) fn open(self) {
        drop(self);
    }

    /// Opens them later: a commit that nobody waits for any longer may still come.
    fn linger(self, duration: Duration) {
        // Without a runtime the process ends.
        if self.0.is_some() && Handle::try_current().is_ok() {
            tokio::spawn(async move {
                tokio::time::sleep(duration).await;
                drop(self);
            });
        }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        match self.0.take() {
            Some((fences, What::Names(closed))) => {
                for fence in closed {
                    fences.open(fence);
                }
            }
            Some((fences, What::Everything)) => fences.open_all(),
            None => {}
        }
    }
}
