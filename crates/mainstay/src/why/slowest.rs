//! `Slowest`: of each route and method the requests that took longest, lately.
//!
//! Windows of ten minutes take turns: the present one collects, the one before stays to be asked.
//! So what was slow is known for at least as long as a window, and one ancient outlier does not
//! reign. Whoever is not among the slowest learns that from two atomics.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::fast::FixedState;
use mainstay_core::RequestLine;

use super::{entry::Entry, has_moved_on, wire::Kept};

/// How many of each route and method. Taste: enough to tell a pattern from an accident.
pub(super) const EACH: usize = 8;

/// The length of a window. Taste: with the one before it reaches back to where an alert began.
pub(super) const WINDOW_MS: u64 = 600_000;

/// How many windows late a thread may be that has read the clock.
const DELAY_MAX: u64 = 1;

/// What one route and method takes, with its lists full and entries not counted.
const PLACE: usize = size_of::<Gate>() + size_of::<Place>() + 2 * EACH * size_of::<Arc<Entry>>();

/// The slowest of all routes, within a budget for all of them.
#[derive(Debug)]
pub(super) struct Slowest {
    /// By route: each method, and where its gate and its place are.
    routes: HashMap<&'static str, Vec<(&'static str, usize)>, FixedState>,
    gates: Vec<Gate>,
    /// For entries alone.
    bytes_max: usize,
    held: Mutex<Held>,
}

/// Lets pass what may be among the slowest of one route and method. Written under the lock, and
/// read without: who was let pass too much is refused behind it.
#[derive(Debug, Default)]
struct Gate {
    /// The present window.
    window: AtomicU64,
    /// How many microseconds are too few.
    threshold: AtomicU64,
}

#[derive(Debug)]
struct Held {
    places: Vec<Place>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Place {
    present: Vec<Arc<Entry>>,
    before: Vec<Arc<Entry>>,
}

impl Slowest {
    /// For the routes and methods of a service.
    pub(super) fn new(
        bytes_max: usize,
        ways: impl Iterator<Item = (&'static str, &'static str)>,
    ) -> Self {
        let mut routes = HashMap::<_, Vec<_>, _>::default();
        let (mut gates, mut places) = (Vec::new(), Vec::new());
        for (route, method) in ways {
            routes.entry(route).or_default().push((method, gates.len()));
            gates.push(Gate::default());
            places.push(Place::default());
        }
        let bytes_max = bytes_max.saturating_sub(places.len() * PLACE);
        Self { routes, gates, bytes_max, held: Mutex::new(Held { places, bytes: 0 }) }
    }

    /// Keeps a request that ends now if it is one of the slowest, and says whether it is.
    pub(super) fn put(&self, line: &RequestLine<'_>, milliseconds: u64) -> bool {
        let window = milliseconds / WINDOW_MS;
        let Some(at) = self.find(line) else { return false };
        let gate = &self.gates[at];
        if !gate.is_over(window) && took(line) <= gate.threshold.load(Ordering::Relaxed) {
            return false;
        }
        let entry = Entry::new(line, Kept::Slow);
        let mut held = self.held();
        if gate.is_over(window) {
            held.turn(at);
            gate.window.store(window, Ordering::Relaxed);
        }
        let is_kept = held.put(at, entry);
        gate.threshold.store(held.places[at].threshold(), Ordering::Relaxed);
        while held.bytes > self.bytes_max {
            let Some(of) = held.drop_oldest() else { break };
            self.gates[of].threshold.store(held.places[of].threshold(), Ordering::Relaxed);
        }
        is_kept
    }

    /// All of them, to be looked at while others are put in.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.held().places.iter().flat_map(Place::entries).cloned().collect()
    }

    /// The memory that it takes, counted anew.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let entries: usize = self.entries().iter().map(|entry| entry.bytes()).sum();
        self.gates.len() * PLACE + entries
    }

    /// `HEAD` is answered by the endpoint for `GET`, and any method by a raw router.
    fn find(&self, line: &RequestLine<'_>) -> Option<usize> {
        let methods = self.routes.get(line.route)?;
        let named = |name: &str| methods.iter().find(|(method, _)| *method == name);
        let found = named(line.method)
            .or_else(|| (line.method == "HEAD").then(|| named("GET")).flatten())
            .or_else(|| named("*"))?;
        Some(found.1)
    }

    /// No code of a caller runs under the lock, so what is in it is whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn took(line: &RequestLine<'_>) -> u64 {
    line.duration.as_micros() as u64
}

impl Gate {
    /// Whether the window that it knows is another one than this.
    fn is_over(&self, window: u64) -> bool {
        has_moved_on(window, self.window.load(Ordering::Relaxed), DELAY_MAX)
    }
}

impl Held {
    /// Begins a window.
    fn turn(&mut self, at: usize) {
        let place = &mut self.places[at];
        let left = std::mem::replace(&mut place.before, std::mem::take(&mut place.present));
        self.bytes -= bytes_of(&left);
    }

    /// Puts an entry in, in place of the fastest of the slowest; says whether it is there.
    fn put(&mut self, at: usize, entry: Arc<Entry>) -> bool {
        let present = &mut self.places[at].present;
        if present.len() == EACH {
            let fastest = present.iter().enumerate().min_by_key(|(_, entry)| entry.duration);
            let Some(fastest) = fastest.map(|(at, _)| at) else { return false };
            if present[fastest].duration >= entry.duration {
                return false;
            }
            self.bytes -= present.swap_remove(fastest).bytes();
        } else if present.capacity() == 0 {
            present.reserve_exact(EACH);
        }
        self.bytes += entry.bytes();
        present.push(entry);
        true
    }

    /// Puts the oldest one of all out, and says where that was.
    fn drop_oldest(&mut self) -> Option<usize> {
        let oldest = |place: &Place| place.entries().map(|entry| entry.time).min();
        let places = self.places.iter().enumerate();
        let times = places.filter_map(|(at, place)| Some((oldest(place)?, at)));
        let (time, at) = times.min()?;
        let Place { present, before } = &mut self.places[at];
        let list = if before.iter().any(|entry| entry.time == time) { before } else { present };
        let position = list.iter().position(|entry| entry.time == time)?;
        self.bytes -= list.swap_remove(position).bytes();
        Some(at)
    }
}

impl Place {
    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.before.iter().chain(&self.present)
    }

    /// How many microseconds are too few for the present window.
    fn threshold(&self) -> u64 {
        let fastest = self.present.iter().map(|entry| entry.duration.as_micros() as u64).min();
        fastest.filter(|_| self.present.len() == EACH).unwrap_or(0)
    }
}

fn bytes_of(entries: &[Arc<Entry>]) -> usize {
    entries.iter().map(|entry| entry.bytes()).sum()
}
