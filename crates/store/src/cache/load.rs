//! What happens when a value is not in this process's memory: one caller gets it for all.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use mainstay_core::{Step, StepKind, Work};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    CacheSpec,
    caches::Inner,
    fences::Stamp,
    flights::{Boarding, Flights, Joinable, Landing, Lead, Outcome},
    name,
    near::{Known, Life, Near},
    stats::Counters,
};
use crate::error::StoreError;

/// How often a caller joins a flight whose value turns out to be older than its question.
const JOINS_MAX: u32 = 3;

/// How long a value is served in a process that is told of nothing. Others may write all the same:
/// a command on the same database, or processes that share one and no Redis. Taste: as long as
/// nobody would call old, and long enough for a key that is asked for all the time.
const ALONE_MAX: Duration = Duration::from_secs(1);

/// Reads a value where it is true.
pub(super) type Loader<V> = Box<dyn FnOnce() -> Loading<V> + Send>;
type Loading<V> = Pin<Box<dyn Future<Output = Result<Option<V>, StoreError>> + Send>>;

/// One cache.
pub(super) struct Store<V> {
    pub(super) caches: Arc<Inner>,
    pub(super) spec: CacheSpec<V>,
    pub(super) codec: Option<Codec<V>>,
    pub(super) near: Near<V>,
    pub(super) counters: Arc<Counters>,
    flights: Arc<Flights<V>>,
}

/// How values are shared, if they are.
pub(super) struct Codec<V> {
    pub(super) version: u32,
    pub(super) encode: fn(&Option<Arc<V>>) -> Option<Vec<u8>>,
    pub(super) decode: fn(&[u8]) -> Option<Option<V>>,
}

impl<V: Serialize + DeserializeOwned> Codec<V> {
    /// `[value]`, or `[]` for "there is none": a value may itself be `null`.
    pub(super) fn json(version: u32) -> Self {
        Self {
            version,
            encode: |value| {
                let values: Vec<&V> = value.as_deref().into_iter().collect();
                serde_json::to_vec(&values).ok()
            },
            decode: |bytes| {
                let mut values: Vec<V> = serde_json::from_slice(bytes).ok()?;
                let value = values.pop();
                values.is_empty().then_some(value)
            },
        }
    }
}

/// Ends the step that a question to a cache is.
pub(super) fn end<V>(
    step: Step,
    found: Result<(Known<V>, &'static str), StoreError>,
) -> Result<Known<V>, StoreError> {
    match found {
        Ok((value, source)) => {
            step.end(source, None);
            Ok(value)
        }
        Err(error) => {
            step.fail(error.word());
            Err(error)
        }
    }
}

impl<V: Send + Sync + 'static> Store<V> {
    pub(super) fn new(caches: Arc<Inner>, spec: CacheSpec<V>, codec: Option<Codec<V>>) -> Self {
        let afterlife = spec.stale_while_revalidate.max(spec.stale_if_error);
        Self {
            near: Near::new(spec.weight_max, afterlife),
            flights: Flights::new(),
            counters: caches.count(spec.name),
            caches,
            spec,
            codec,
        }
    }

    /// Without a proof that invalidations arrive a value may be served for the bound, counted from
    /// before it was read: it has seen every write that was acknowledged until then. Gives its age.
    pub(super) fn find_recent(&self, key: &str) -> Option<(Known<V>, Duration)> {
        let Inner { clock, fences, bounds, .. } = &*self.caches;
        let found = self.near.find_recent(key, fences, clock.monotonic(), bounds.staleness)?;
        self.counters.hits.add();
        if found.0.is_none() {
            self.counters.negative_hits.add();
        }
        Step::note(StepKind::Cache, self.spec.name, "hit", None);
        Some(found)
    }

    /// Without a proof a flight may be joined for as long as its value could be served anyway.
    pub(super) fn joinable_unproved(&self) -> Joinable {
        Joinable::BegunWithin(self.caches.bounds.staleness)
    }

    pub(super) fn board(&self, key: &str, name: &str, joinable: &Joinable) -> Boarding<V> {
        self.flights.board(key, name, &self.caches.fences, joinable)
    }

    /// Asks the loader, and nobody else.
    pub(super) async fn load(&self, load: Loader<V>) -> Result<Known<V>, StoreError> {
        self.counters.loads.add();
        let loaded = load().await;
        if loaded.is_err() {
            self.counters.failures.add();
        }
        Ok(loaded?.map(Arc::new))
    }

    /// Joins whoever gets the value, or gets it.
    pub(super) async fn find_or_load(
        &self,
        key: &str,
        joinable: &Joinable,
        load: Loader<V>,
    ) -> Result<Known<V>, StoreError> {
        let step = Step::begin(StepKind::Cache, self.spec.name);
        let found = Work::part_of(step.id(), pin!(self.find(key, joinable, load))).await;
        end(step, found)
    }

    /// The value, and how it was come by.
    async fn find(
        &self,
        key: &str,
        joinable: &Joinable,
        load: Loader<V>,
    ) -> Result<(Known<V>, &'static str), StoreError> {
        let name = name::of_entry(self.spec.name, key);
        let deadline = self.wait_until();
        let mut joins = 0;
        while joins < JOINS_MAX {
            let mut flight = match self.board(key, &name, joinable) {
                Boarding::Lead(leader) => {
                    let landing = self.lead(leader, key, &name, load).await?;
                    return Ok((landing.value, landing.source));
                }
                Boarding::Wait(flight) => flight,
            };
            self.counters.waits.add();
            let landing = flight.wait_for(Option::is_some);
            match tokio::time::timeout_at(deadline.into(), landing).await {
                Ok(Ok(outcome)) => match outcome.clone() {
                    Some(Ok(Landing { value, stamp: Some(stamp), .. }))
                        if self.caches.fences.is_legal(&stamp) =>
                    {
                        return Ok((value, "joined"));
                    }
                    Some(Err(error)) => return Err(error),
                    _ => joins += 1,
                },
                // The leader went away.
                Ok(Err(_)) => {}
                Err(_) => {
                    self.counters.waits_in_vain.add();
                    break;
                }
            }
        }
        Ok((self.load(load).await?, "loaded"))
    }

    /// Gets the value for all who wait.
    pub(super) async fn lead(
        &self,
        leader: Lead<V>,
        key: &str,
        name: &str,
        load: Loader<V>,
    ) -> Outcome<V> {
        let outcome = self.fetch(leader.stamp, key, name, load).await;
        let is_out_of_time = Work::time_left() == Some(Duration::ZERO);
        if outcome.is_ok() || !is_out_of_time {
            leader.land(outcome.clone());
        }
        outcome
    }

    async fn fetch(&self, stamp: Stamp, key: &str, name: &str, load: Loader<V>) -> Outcome<V> {
        if self.caches.fences.is_closed(&stamp) {
            return self.load_only(stamp, load).await;
        }
        if !self.caches.is_trusted() {
            return self.load_unproved(stamp, key, load).await;
        }
        if let Some(shared) = &self.caches.shared {
            return self.fetch_shared(shared, stamp, (key, name), load).await;
        }
        let (began, now) = (Instant::now(), self.caches.clock.monotonic());
        let landing = self.landing(stamp, self.load(load).await?);
        let lifetime = self.spec.lifetime(landing.value.as_deref()).min(ALONE_MAX);
        self.keep(key, &landing, Life { began, fresh_until: now + lifetime, is_proved: true });
        Ok(landing)
    }

    /// Loads what nobody can be told to forget: it is kept for the bound.
    async fn load_unproved(&self, stamp: Stamp, key: &str, load: Loader<V>) -> Outcome<V> {
        self.counters.bypasses.add();
        let (began, now) = (Instant::now(), self.caches.clock.monotonic());
        let landing = self.landing(stamp, self.load(load).await?);
        let fresh_until = now + self.spec.lifetime(landing.value.as_deref());
        self.keep(key, &landing, Life { began, fresh_until, is_proved: false });
        Ok(landing)
    }

    /// Loads what must not be kept.
    pub(super) async fn load_only(&self, stamp: Stamp, load: Loader<V>) -> Outcome<V> {
        self.counters.bypasses.add();
        Ok(self.landing(stamp, self.load(load).await?))
    }

    pub(super) fn landing(&self, stamp: Stamp, value: Known<V>) -> Landing<V> {
        let fences = &self.caches.fences;
        let tags = self.spec.tags_of(value.as_deref());
        let stamp = tags.map(|tags| stamp.with(tags.iter().map(|tag| fences.of(&tag.name()))));
        Landing { value, stamp, source: "loaded" }
    }

    /// Keeps what was read in this process, unless that may be old already.
    pub(super) fn keep(&self, key: &str, landing: &Landing<V>, life: Life) {
        let Landing { value, stamp, .. } = landing;
        let is_open = |stamp: &Stamp| {
            !self.caches.fences.is_closed(stamp) && self.caches.fences.is_legal(stamp)
        };
        match stamp.filter(is_open) {
            Some(stamp) => {
                let weight = value.as_deref().map_or(0, self.spec.weigh);
                self.near.keep(key, value.clone(), stamp, life, weight);
            }
            None => self.counters.refusals.add(),
        }
    }

    /// Until when a caller waits for others.
    pub(super) fn wait_until(&self) -> Instant {
        let half = Work::time_left().map_or(Duration::MAX, |left| left / 2);
        Instant::now() + half.min(self.spec.wait_max)
    }
}
