//! Whom limits refuse most: a list of bounded length, kept while it happens.
//!
//! It is the Space-Saving summary (Metwally and others, 2005): whoever is not on a full list takes
//! the place of whom it has counted least, and that count with it. So a count is never too low, too
//! high by at most what is told beside it, and whoever has more than a thirty-second part of all
//! refusals is on the list.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use mainstay_core::{Charge, Clock, Decision, Limiter, Outcome, Verdict};
use sha2::Sha256;

/// Keys on the list: more than a person reads in one look.
const KEYS_MAX: usize = 32;

/// How long one list is kept, and then as the last one; taste.
const PERIOD: Duration = Duration::from_mins(5);

/// A limiter that remembers whom another one has refused.
///
/// Admitted requests pay for one indirection; a refused one for a look at the list.
pub struct Refusals {
    limiter: Arc<dyn Limiter>,
    clock: Arc<dyn Clock>,
    lists: Mutex<Lists>,
    /// What fingerprints are made with: nobody can find out an address by trying all of them.
    /// Without it, where the system has no randomness, there are none.
    secret: Option<[u8; 32]>,
}

/// Somebody who was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The limit that was used up.
    pub policy: String,
    /// A fingerprint of the key, different in every process.
    pub key: String,
    /// How often, at most.
    pub count: u64,
    /// By how much that may be too high.
    pub excess: u64,
}

#[derive(Default)]
struct Lists {
    present: Vec<Place>,
    last: Vec<Place>,
    since: Duration,
}

#[derive(Clone)]
struct Place {
    policy: String,
    key: u128,
    count: u64,
    excess: u64,
}

impl Refusals {
    /// Decides as `limiter` does.
    pub fn new(limiter: Arc<dyn Limiter>, clock: Arc<dyn Clock>) -> Self {
        let mut secret = [0; 32];
        let secret = getrandom::fill(&mut secret).ok().map(|()| secret);
        Self { limiter, clock, lists: Mutex::default(), secret }
    }

    /// Most refusals first, of the last five to ten minutes.
    pub fn most(&self) -> Vec<Refused> {
        let mut all = {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            lists.turn(self.clock.monotonic());
            let mut all = lists.present.clone();
            for place in &lists.last {
                match all.iter_mut().find(|known| known.is(&place.policy, place.key)) {
                    Some(known) => {
                        known.count += place.count;
                        known.excess += place.excess;
                    }
                    None => all.push(place.clone()),
                }
            }
            all
        };
        all.sort_by_key(|place| std::cmp::Reverse(place.count));
        all.truncate(KEYS_MAX);
        let told = |place: Place| Refused {
            key: self.fingerprint(&place),
            policy: place.policy,
            count: place.count,
            excess: place.excess,
        };
        all.into_iter().map(told).collect()
    }

    fn note(&self, charges: &[Charge<'_>], decision: &Decision) {
        if decision.outcome != Outcome::Refused {
            return;
        }
        let now = self.clock.monotonic();
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.turn(now);
        for (charge, standing) in charges.iter().zip(decision.standings()) {
            if standing.outcome == Outcome::Refused {
                lists.count(&charge.policy.name, charge.key);
            }
        }
    }

    /// Eight hexadecimal digits tell the keys of a list apart.
    fn fingerprint(&self, place: &Place) -> String {
        let mac = self.secret.and_then(|secret| Hmac::<Sha256>::new_from_slice(&secret).ok());
        let Some(mut mac) = mac else { return String::new() };
        mac.update(&place.key.to_be_bytes());
        let [a, b, c, d, ..]: [u8; 32] = mac.finalize().into_bytes().into();
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }
}

impl Lists {
    fn turn(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.since);
        if elapsed < PERIOD {
            return;
        }
        self.last = std::mem::take(&mut self.present);
        if elapsed >= 2 * PERIOD {
            self.last.clear();
        }
        self.since = now;
    }

    fn count(&mut self, policy: &str, key: u128) {
        if let Some(known) = self.present.iter_mut().find(|place| place.is(policy, key)) {
            known.count += 1;
            return;
        }
        let policy = policy.to_owned();
        if self.present.len() < KEYS_MAX {
            self.present.push(Place { policy, key, count: 1, excess: 0 });
        } else if let Some(least) = self.present.iter_mut().min_by_key(|place| place.count) {
            *least = Place { policy, key, count: least.count + 1, excess: least.count };
        }
    }
}

impl Place {
    fn is(&self, policy: &str, key: u128) -> bool {
        self.key == key && self.policy == policy
    }
}

impl Limiter for Refusals {
    fn decide<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a> {
        match self.limiter.decide(charges) {
            Verdict::Now(decision) => {
                self.note(charges, &decision);
                Verdict::Now(decision)
            }
            Verdict::Later(asking) => Verdict::Later(Box::pin(async move {
                let decision = asking.await;
                self.note(charges, &decision);
                decision
            })),
        }
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::{OutageMode, Policy, SystemClock};

    use super::*;
    use crate::LocalLimiter;

    #[test]
    fn whoever_is_refused_is_on_the_list_and_nobody_else() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let refusals = Refusals::new(Arc::new(LocalLimiter::new(clock.clone())), clock);
        let window = Duration::from_mins(1);
        let policy = Policy { name: "few".to_owned(), quota: 2, window, outage: OutageMode::Local };
        for key in [7, 7, 7, 7, 7, 8, 8, 8, 9] {
            let charges = [Charge { policy: &policy, key, cost: 1 }];
            assert!(matches!(refusals.decide(&charges), Verdict::Now(_)), "it counts here");
        }
        let most = refusals.most();
        let counts: Vec<_> = most.iter().map(|hot| (hot.policy.as_str(), hot.count)).collect();
        assert_eq!(counts, [("few", 3), ("few", 1)]);
        assert!(most[0].key != most[1].key && most[0].key.len() == 8);
    }

    #[test]
    fn the_list_is_bounded_and_keeps_whoever_is_refused_most() {
        let mut lists = Lists::default();
        for n in 0..10_000_u128 {
            lists.count("p", 1000 + n);
            lists.count("p", n % 3);
        }
        assert_eq!(lists.present.len(), KEYS_MAX);
        for key in 0..3 {
            let place = lists.present.iter().find(|place| place.key == key).expect("on the list");
            let truth = 10_000 / 3;
            assert!(place.count >= truth && place.count - place.excess <= truth + 1);
        }
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut lists = Lists::default();
        lists.count("p", 1);
        lists.turn(PERIOD);
        assert_eq!((lists.present.len(), lists.last.len()), (0, 1));
        lists.turn(2 * PERIOD);
        assert_eq!(lists.last.len(), 0);
    }
}
