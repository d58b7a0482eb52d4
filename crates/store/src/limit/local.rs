//! The limiter of one process: rings by policy and key, with bounded memory.

use std::{
    array, fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use mainstay_core::{CHARGES_MAX, Charge, Clock, Decision, Limiter, Outcome, Standing, Verdict};

use super::{
    ring::{Grid, Ring},
    table::{self, Identity, Shard, Table},
};

/// Bounds of a [`LocalLimiter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalLimiterOptions {
    /// Keys remembered at once, over all policies. 100,000: at some 150 bytes each they take 15 MB,
    /// a share of the memory a service may use under load. A key that is busy in every sub-bucket
    /// of its window takes 700 bytes.
    pub max_keys: usize,
}

impl Default for LocalLimiterOptions {
    fn default() -> Self {
        Self { max_keys: 100_000 }
    }
}

/// Counts in this process, exactly: at most `quota` units in any interval of the window's length.
///
/// When its memory is full of keys that still count, unseen keys share one ring for each policy and
/// shard. They may be refused early; no key ever gets more than its quota.
pub struct LocalLimiter {
    clock: Arc<dyn Clock>,
    table: Table<Entry>,
}

#[derive(Clone)]
struct Entry {
    ring: Ring,
    grid: Grid,
}

impl Entry {
    fn new(grid: Grid) -> Self {
        Self { ring: Ring::default(), grid }
    }
}

impl table::Entry for Entry {
    fn is_spent(&mut self, now: Duration) -> bool {
        self.ring.is_spent(self.grid.moment(now))
    }
}

/// A charge, and where it is kept.
#[derive(Clone, Copy)]
struct Request {
    identity: Identity,
    place: usize,
    grid: Grid,
    quota: u32,
    cost: u32,
}

impl Request {
    fn judge(&self, ring: &mut Ring, now: Duration) -> Standing {
        ring.judge(self.grid, self.grid.moment(now), self.quota, self.cost)
    }

    fn decide(&self, ring: &mut Ring, now: Duration) -> Standing {
        ring.decide(self.grid, self.grid.moment(now), self.quota, self.cost)
    }
}

impl LocalLimiter {
    /// A limiter of the default size.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_options(clock, LocalLimiterOptions::default())
    }

    /// A limiter that remembers at most `max_keys` keys, and at least one.
    pub fn with_options(clock: Arc<dyn Clock>, options: LocalLimiterOptions) -> Self {
        Self { clock, table: Table::new(options.max_keys) }
    }

    /// How many keys are remembered now.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn decide_now(&self, charges: &[Charge<'_>]) -> Decision {
        match charges {
            [] => Decision::of([]),
            [charge] => {
                let request = self.request(charge);
                let mut shard = self.table.lock(request.place);
                // Read under the lock: the shard's time never goes backwards.
                let now = self.clock.monotonic();
                Decision::of([decide(&mut shard, &request, now)])
            }
            several => self.decide_several(several),
        }
    }

    /// Judges and charges under the locks of all shards concerned, so that nobody sees a charge
    /// that is taken back.
    fn decide_several(&self, charges: &[Charge<'_>]) -> Decision {
        let charges = &charges[..charges.len().min(CHARGES_MAX)];
        // A last one that repeats the first fills the array, and is left out again.
        let requests: [Request; CHARGES_MAX] =
            array::from_fn(|n| self.request(charges.get(n).unwrap_or(&charges[0])));
        let requests = &requests[..charges.len()];
        let mut places = requests.iter().map(|request| request.place);
        let mut places: [usize; CHARGES_MAX] = array::from_fn(|_| places.next().unwrap_or(0));
        let places = &mut places[..requests.len()];
        // One order for everybody, so that no two wait for each other.
        places.sort_unstable();
        let mut shards: [Option<MutexGuard<'_, Shard<Entry>>>; CHARGES_MAX] =
            array::from_fn(|n| match n {
                n if n >= places.len() || (n > 0 && places[n] == places[n - 1]) => None,
                n => Some(self.table.lock(places[n])),
            });
        let mut in_shard = |request: &Request, act: Act| {
            let first = places.iter().position(|place| *place == request.place);
            let shard = first.and_then(|n| shards[n].as_deref_mut());
            shard.map(|shard| act(shard, request, self.clock.monotonic()))
        };
        let judged = Decision::of(requests.iter().filter_map(|r| in_shard(r, judge)));
        if !judged.is_admitted() {
            return judged;
        }
        Decision::of(requests.iter().filter_map(|request| in_shard(request, decide)))
    }

    fn request(&self, charge: &Charge<'_>) -> Request {
        let (identity, place) = self.table.find(charge);
        let Charge { policy, cost, .. } = *charge;
        Request { identity, place, grid: Grid::new(policy.window), quota: policy.quota, cost }
    }
}

type Act = fn(&mut Shard<Entry>, &Request, Duration) -> Standing;

/// Says what [`decide`] would, and charges nothing.
fn judge(shard: &mut Shard<Entry>, request: &Request, now: Duration) -> Standing {
    if let Some(entry) = shard.known(&request.identity) {
        return request.judge(&mut entry.ring, now);
    }
    let overflow = shard.overflow(request.identity.policy);
    request.judge(&mut overflow.map(|entry| entry.ring.clone()).unwrap_or_default(), now)
}

fn decide(shard: &mut Shard<Entry>, request: &Request, now: Duration) -> Standing {
    if let Some(entry) = shard.known(&request.identity) {
        return request.decide(&mut entry.ring, now);
    }
    let policy = request.identity.policy;
    if !shard.has_room(now) {
        let entry = shard.overflow_or(policy, || Entry::new(request.grid));
        return request.decide(&mut entry.ring, now);
    }
    // The key may have been counted in the overflow before there was room: as nobody knows, all of
    // it is taken to be this key's.
    let mut entry = shard.overflow(policy).cloned().unwrap_or_else(|| Entry::new(request.grid));
    let standing = request.decide(&mut entry.ring, now);
    if standing.outcome == Outcome::Admitted && request.cost > 0 {
        shard.insert(request.identity, entry);
    }
    standing
}

impl Limiter for LocalLimiter {
    fn decide<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a> {
        Verdict::Now(self.decide_now(charges))
    }
}

impl fmt::Debug for LocalLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalLimiter").field("keys", &self.len()).finish_non_exhaustive()
    }
}
