//! Values that processes share: looked for before they are loaded, and filled for all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::{
    caches::Inner,
    fences::Stamp,
    flights::{Landing, Outcome},
    load::{Loader, Store},
    near::Life,
    shared::{Look, Right, Shared},
};

/// Pauses between two looks for a value that another process loads: the first about as long as a
/// load takes, and none so long that anybody would notice it.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(20);

impl<V: Send + Sync + 'static> Store<V> {
    /// Gets a value from Redis, from the process that loads it, or by loading it for all.
    pub(super) async fn fetch_shared(
        &self,
        shared: &Shared,
        stamp: Stamp,
        (key, name): (&str, &str),
        load: Loader<V>,
    ) -> Outcome<V> {
        let version = self.codec.as_ref().map(|codec| codec.version);
        let deadline = self.wait_until();
        let mut pause = PAUSE_MIN;
        loop {
            let (began, now) = (Instant::now(), self.caches.clock.monotonic());
            match shared.look(name, version, self.spec.wait_max).await {
                Look::Value { bytes, left, tags } => {
                    let landing = self.accept(shared, stamp, &bytes, &tags).await;
                    // Answered late, it may be of a server that was stopped.
                    if !shared.is_trusted() {
                        return self.load_only(stamp, load).await;
                    }
                    if let Some(landing) = landing {
                        let fresh_until = now + left;
                        self.keep(key, &landing, Life { began, fresh_until, is_proved: true });
                        return Ok(landing);
                    }
                    shared.discard(name).await;
                }
                Look::Load(right) => {
                    let right = Held { caches: self.caches.clone(), right: Some(right) };
                    return self.load_for_all(shared, stamp, key, right, load).await;
                }
                Look::Busy if pause == PAUSE_MIN => self.counters.waits.add(),
                Look::Busy => {}
                Look::Closed => return self.load_only(stamp, load).await,
            }
            if Instant::now() >= deadline {
                self.counters.waits_in_vain.add();
                return self.load_only(stamp, load).await;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// A value of Redis, if it can be read and none of its tags was written since.
    async fn accept(
        &self,
        shared: &Shared,
        stamp: Stamp,
        bytes: &[u8],
        tags: &[(String, String)],
    ) -> Option<Landing<V>> {
        let value = (self.codec.as_ref()?.decode)(bytes)?.map(Arc::new);
        let landing = Landing { source: "shared", ..self.landing(stamp, value) };
        let is_open = |stamp: &Stamp| !self.caches.fences.is_closed(stamp);
        if !landing.stamp.as_ref().is_some_and(is_open) || !shared.are_alive(tags).await {
            return None;
        }
        self.counters.shared_hits.add();
        if landing.value.is_none() {
            self.counters.negative_hits.add();
        }
        Some(landing)
    }

    async fn load_for_all(
        &self,
        shared: &Shared,
        stamp: Stamp,
        key: &str,
        right: Held,
        load: Loader<V>,
    ) -> Outcome<V> {
        let (now, began) = (self.caches.clock.monotonic(), Instant::now());
        let value = self.load(load).await?;
        let lifetime = self.spec.lifetime(value.as_deref());
        let landing = self.landing(stamp, value);
        let lives = self.lives(shared, landing.value.as_ref(), began).await;
        // A tag that is being written is written by somebody who was told of nothing.
        let Some(lives) = lives.filter(|_| shared.is_trusted() && !lifetime.is_zero()) else {
            self.counters.refusals.add();
            return Ok(landing);
        };
        self.keep(key, &landing, Life { began, fresh_until: now + lifetime, is_proved: true });
        let bytes = self.codec.as_ref().and_then(|codec| (codec.encode)(&landing.value));
        if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= self.spec.shared_max) {
            shared.fill(right.take(), &bytes, lifetime, &lives).await;
        }
        Ok(landing)
    }

    /// The lives of a value's tags; `None` when it must not be kept.
    async fn lives(
        &self,
        shared: &Shared,
        value: Option<&Arc<V>>,
        started: Instant,
    ) -> Option<Vec<(String, String)>> {
        let tags = self.spec.tags_of(value.map(Arc::as_ref))?;
        if tags.is_empty() {
            return Some(Vec::new());
        }
        let names: Vec<_> = tags.iter().map(super::Tag::name).collect();
        shared.lives(&names, started, self.spec.ttl).await
    }
}

/// The right to load, handed back when it is dropped unused: by an error, or with the caller.
struct Held {
    caches: Arc<Inner>,
    right: Option<Right>,
}

impl Held {
    fn take(mut self) -> Right {
        self.right.take().expect("taken once, by value")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(right) = self.right.take().filter(Right::is_shared) else { return };
        let caches = self.caches.clone();
        // Without a runtime the process ends, and the right soon after.
        if Handle::try_current().is_ok() {
            tokio::spawn(async move {
                if let Some(shared) = &caches.shared {
                    shared.hand_back(right).await;
                }
            });
        }
    }
}
