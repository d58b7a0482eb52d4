//! `Flights`: one load of a key at a time.
//!
//! Whoever comes first leads; the others wait for what the leader finds. A leader that goes away is
//! followed by one of those who wait. Nobody joins a flight that began before the key was written:
//! what it finds may be old, and its own callers asked before the write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    fences::{Fences, Stamp},
    near::Known,
};
use crate::error::StoreError;

/// What a flight has found, and when it may be used.
pub(super) struct Landing<V> {
    pub(super) value: Known<V>,
    /// `None`: for the leader alone.
    pub(super) stamp: Option<Stamp>,
    /// Where it was found, in a word for journals.
    pub(super) source: &'static str,
}

impl<V> Clone for Landing<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), stamp: self.stamp, source: self.source }
    }
}

pub(super) type Outcome<V> = Result<Landing<V>, StoreError>;

struct Flight<V> {
    number: u64,
    stamp: Stamp,
    begun: Instant,
    /// Closed without a value when the leader goes away.
    outcome: watch::Receiver<Option<Outcome<V>>>,
}

pub(super) struct Flights<V> {
    map: Mutex<Map<V>>,
}

struct Map<V> {
    flights: HashMap<Box<str>, Flight<V>>,
    begun: u64,
}

/// Which flights may be joined.
pub(super) enum Joinable {
    /// Any that no invalidation has overtaken: invalidations arrive.
    Legal,
    /// Only those that began not longer ago: nobody knows of invalidations.
    BegunWithin(Duration),
}

pub(super) enum Boarding<V> {
    Lead(Lead<V>),
    Wait(watch::Receiver<Option<Outcome<V>>>),
}

/// The right to load a key, and the duty to tell the others. Dropped, it goes to one of them.
pub(super) struct Lead<V> {
    flights: Arc<Flights<V>>,
    key: Box<str>,
    number: u64,
    pub(super) stamp: Stamp,
    outcome: watch::Sender<Option<Outcome<V>>>,
}

impl<V> Flights<V> {
    pub(super) fn new() -> Arc<Self> {
        let map = Map { flights: HashMap::new(), begun: 0 };
        Arc::new(Self { map: Mutex::new(map) })
    }

    /// Joins the flight of a key or begins one. `name` is what invalidates the key.
    pub(super) fn board(
        self: &Arc<Self>,
        key: &str,
        name: &str,
        fences: &Fences,
        joinable: &Joinable,
    ) -> Boarding<V> {
        // Before anything that the load will rely on.
        let stamp = Stamp::new(fences.now(), fences.of(name));
        let mut map = self.lock();
        if let Some(flight) = map.flights.get(key) {
            let is_young = match joinable {
                Joinable::Legal => true,
                Joinable::BegunWithin(limit) => flight.begun.elapsed() <= *limit,
            };
            if is_young && fences.is_legal(&flight.stamp) {
                return Boarding::Wait(flight.outcome.clone());
            }
        }
        map.begun += 1;
        let (sender, receiver) = watch::channel(None);
        let number = map.begun;
        let flight = Flight { number, stamp, begun: Instant::now(), outcome: receiver };
        // One that was overtaken goes on for those who have joined it.
        map.flights.insert(key.into(), flight);
        drop(map);
        Boarding::Lead(Lead {
            flights: self.clone(),
            key: key.into(),
            number,
            stamp,
            outcome: sender,
        })
    }

    /// Nothing under the lock panics, so what is in it is whole.
    fn lock(&self) -> MutexGuard<'_, Map<V>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Lead<V> {
    /// Tells everybody who waits.
    pub(super) fn land(self, outcome: Outcome<V>) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl<V> Drop for Lead<V> {
    fn drop(&mut self) {
        let mut map = self.flights.lock();
        if map.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            map.flights.remove(&self.key);
        }
    }
}
