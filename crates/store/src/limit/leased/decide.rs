//! One decision: with what is at hand, by asking, or alone.

use std::time::Duration;

use futures_util::future;
use mainstay_core::{CHARGES_MAX, Charge, Decision, Outcome, Standing, Verdict};

use super::{
    SharedLimiter,
    counters::Counters,
    lease::{Account, Asking, Word},
    script::{Question, Reply},
};
use crate::limit::{
    ring::Grid,
    table::{Identity, Shard},
};

/// Questions that one decision may wait for. Each one settles at least one decision, and all that
/// wait when it refuses; more are needed only where answers come later than their leases end. A
/// Redis as slow as that is taken to be out of reach.
const ROUNDS_MAX: usize = 8;

/// A charge, and where it is kept.
#[derive(Clone, Copy)]
struct Place<'a> {
    charge: &'a Charge<'a>,
    identity: Identity,
    shard: usize,
    grid: Grid,
}

/// What is said of a charge.
#[derive(Clone, Copy)]
enum Said {
    /// Its units are taken.
    Taken(Standing),
    Refused(Standing),
    /// Only Redis knows.
    Unknown,
}

/// What a decision that has to ask waits for.
enum Wait {
    Answer(Question),
    /// The same, for a key that there is no room to remember.
    Unremembered(Question),
    SomebodyElse(Asking),
    /// Redis is too slow.
    Nobody,
}

/// What has come of waiting.
enum News {
    /// The account knows.
    Learned,
    Of(Said),
    /// Nobody answers.
    Nothing,
}

/// What has been said of each charge, in their order.
type Each<T> = [T; CHARGES_MAX];

impl SharedLimiter {
    pub(super) fn decide_now_or_later<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a> {
        let Some(first) = charges.first() else { return Verdict::Now(Decision::of([])) };
        let mut places = [self.place(first); CHARGES_MAX];
        for (place, charge) in places.iter_mut().zip(charges).skip(1) {
            *place = self.place(charge);
        }
        let count = charges.len();
        let said = |place: &Place<'_>, _| self.say(place, Visit::First);
        if let Some(decision) = self.settle(&places[..count], said) {
            let Counters { leased, remembered, .. } = &self.counters;
            if decision.is_admitted() {
                leased.add(1);
            } else {
                remembered.add(1);
            }
            return Verdict::Now(decision);
        }
        if self.is_alone(&places[..count]) {
            return Verdict::Now(self.decide_alone(&places[..count]));
        }
        Verdict::Later(Box::pin(async move { self.ask(&places[..count]).await }))
    }

    fn place<'a>(&self, charge: &'a Charge<'a>) -> Place<'a> {
        let (identity, shard) = self.table.find(charge);
        Place { charge, identity, shard, grid: Grid::new(charge.policy.window) }
    }

    /// Whether Redis is not worth asking.
    fn is_alone(&self, places: &[Place<'_>]) -> bool {
        let now = self.clock.monotonic();
        let stepped = |watch: &super::Watch| {
            places.iter().any(|place| watch.is_stepped(now, place.grid.width()))
        };
        !self.link.is_up() || self.watch.as_ref().is_some_and(stepped)
    }

    /// Takes the units of all charges, or of none. `None` when something is not known.
    fn settle(
        &self,
        places: &[Place<'_>],
        say: impl Fn(&Place<'_>, usize) -> Said,
    ) -> Option<Decision> {
        let mut said = [Said::Unknown; CHARGES_MAX];
        for (n, place) in places.iter().enumerate() {
            said[n] = say(place, n);
        }
        let said = &said[..places.len()];
        if said.iter().all(|said| matches!(said, Said::Taken(_))) {
            return Some(Decision::of(said.iter().filter_map(Said::standing)));
        }
        let taken = |(_, said): &(&Place<'_>, &Said)| matches!(said, Said::Taken(_));
        for (place, _) in places.iter().zip(said).filter(taken) {
            self.give_back(place);
        }
        if !said.iter().any(|said| matches!(said, Said::Refused(_))) {
            return None;
        }
        Some(Decision::of(places.iter().zip(said).map(|(place, said)| match said {
            Said::Taken(standing) => given_back(*standing, place.charge.cost),
            Said::Refused(standing) => *standing,
            Said::Unknown => self.told(place),
        })))
    }

    fn say(&self, place: &Place<'_>, visit: Visit) -> Said {
        let cost = place.charge.cost;
        let mut shard = self.table.lock(place.shard);
        // Read under the lock: the shard's time never goes backwards.
        let now = self.clock.monotonic();
        let Some(account) = shard.known(&place.identity) else { return Said::Unknown };
        if visit == Visit::First {
            account.arrive(now, cost);
        }
        match account.word(now, cost) {
            Word::Yes => {
                account.take(now, cost);
                let is_exact = visit == Visit::Answered || self.processes == 1;
                Said::Taken(account.standing(now, is_exact))
            }
            Word::No(wait) => Said::Refused(account.refusal(wait)),
            Word::Unknown | Word::Alone => Said::Unknown,
        }
    }

    fn give_back(&self, place: &Place<'_>) {
        let mut shard = self.table.lock(place.shard);
        let now = self.clock.monotonic();
        if let Some(account) = shard.known(&place.identity) {
            account.give_back(now, place.charge.cost);
        }
    }

    /// How a key stood when Redis was asked last.
    fn told(&self, place: &Place<'_>) -> Standing {
        let mut shard = self.table.lock(place.shard);
        let now = self.clock.monotonic();
        match shard.known(&place.identity) {
            Some(account) => account.standing(now, true),
            None => Account::new(place.grid).standing(now, true),
        }
    }

    async fn ask(&self, places: &[Place<'_>]) -> Decision {
        for _ in 0..ROUNDS_MAX {
            let waits: Vec<(usize, Wait)> = places
                .iter()
                .enumerate()
                .filter_map(|(n, place)| Some((n, self.begin(place)?)))
                .collect();
            let mut news: Each<Option<News>> = Each::default();
            let waiting =
                waits.into_iter().map(async |(n, wait)| (n, self.wait(&places[n], wait).await));
            for (n, came) in future::join_all(waiting).await {
                news[n] = Some(came);
            }
            if news.iter().flatten().any(|news| matches!(news, News::Nothing)) {
                break;
            }
            let said = |place: &Place<'_>, n: usize| match &news[n] {
                Some(News::Of(said)) => *said,
                Some(_) => self.say(place, Visit::Answered),
                None => self.say(place, Visit::Again),
            };
            if let Some(decision) = self.settle(places, said) {
                self.counters.asked.add(1);
                return decision;
            }
            if self.is_alone(places) {
                break;
            }
        }
        self.decide_alone(places)
    }

    /// Begins to ask about what only Redis knows, or finds who does already.
    fn begin(&self, place: &Place<'_>) -> Option<Wait> {
        let Charge { policy, cost, .. } = *place.charge;
        let mut shard = self.table.lock(place.shard);
        let now = self.clock.monotonic();
        if shard.known(&place.identity).is_none() && !shard.has_room(now) {
            let mut unremembered = Account::new(place.grid);
            return unremembered.begin(now, policy.quota, cost).ok().map(Wait::Unremembered);
        }
        let account = shard.known_or(place.identity, || {
            let mut account = Account::new(place.grid);
            account.arrive(now, cost);
            account
        });
        match account.word(now, cost) {
            Word::Yes | Word::No(_) => None,
            Word::Alone => Some(Wait::Nobody),
            Word::Unknown => Some(match account.begin(now, policy.quota, cost) {
                Ok(question) => Wait::Answer(question),
                Err(asking) => Wait::SomebodyElse(asking),
            }),
        }
    }

    async fn wait(&self, place: &Place<'_>, wait: Wait) -> News {
        match wait {
            Wait::Nobody => News::Nothing,
            Wait::SomebodyElse(asking) => {
                // Nobody gets a permit: it is closed when the other one has been answered.
                let _ = asking.acquire().await;
                News::Learned
            }
            Wait::Answer(question) => {
                // Also when this future is dropped in the middle.
                let _ending = Ending { limiter: self, place };
                let Some((sent, now, reply)) = self.exchange(place, &question).await else {
                    return News::Nothing;
                };
                let mut shard = self.table.lock(place.shard);
                if let Some(account) = shard.known(&place.identity) {
                    account.learn(sent, now, &question, &reply);
                }
                News::Learned
            }
            Wait::Unremembered(question) => {
                let Some((sent, now, reply)) = self.exchange(place, &question).await else {
                    return News::Nothing;
                };
                let cost = place.charge.cost;
                let mut account = Account::new(place.grid);
                account.learn(sent, now, &question, &reply);
                News::Of(match account.word(now, cost) {
                    Word::Yes => {
                        account.take(now, cost);
                        Said::Taken(account.standing(now, true))
                    }
                    Word::No(wait) => Said::Refused(account.refusal(wait)),
                    Word::Unknown | Word::Alone => Said::Unknown,
                })
            }
        }
    }

    /// Asks Redis. Tells when, and what it said, unless its clock cannot be trusted.
    async fn exchange(
        &self,
        place: &Place<'_>,
        question: &Question,
    ) -> Option<(Duration, Duration, Reply)> {
        self.counters.questions.add(1);
        self.counters.refunded.add(question.back.into());
        let name = self.keys.name(place.charge);
        let sent = self.clock.monotonic();
        let Ok(reply) = self.counting.ask(&self.link, &name, question).await else {
            // The link has said why.
            self.counters.failures.add(1);
            return None;
        };
        let now = self.clock.monotonic();
        if let Some(watch) = &self.watch {
            if let Some(step) = watch.look(reply.clock, sent, now) {
                self.counters.clock_steps.add(1);
                let by_ms = step.as_millis() as u64;
                tracing::error!(
                    by_ms,
                    "the clock of redis has stepped forward; windows shorter than \
                    the step are counted by each process alone until they have passed"
                );
            }
            if watch.is_stepped(now, place.grid.width()) {
                return None;
            }
        }
        Some((sent, now, reply))
    }

    /// Decides by each policy's outage mode.
    fn decide_alone(&self, places: &[Place<'_>]) -> Decision {
        self.counters.alone.add(1);
        let mut standings = [None; CHARGES_MAX];
        for (n, place) in places.iter().enumerate() {
            standings[n] = Some(self.in_account(place, |account, now| {
                account.decide_alone(now, place.charge.policy, place.charge.cost, self.processes)
            }));
        }
        let decision = Decision::of(standings.into_iter().flatten());
        if decision.is_admitted() {
            return decision;
        }
        let taken = |(_, standing): &(&Place<'_>, Option<Standing>)| {
            standing.is_some_and(|standing| standing.outcome == Outcome::Admitted)
        };
        for (place, _) in places.iter().zip(standings).filter(taken) {
            self.in_account(place, |account, _| account.take_back_alone(place.charge.cost));
        }
        Decision::of(places.iter().zip(decision.standings()).map(|(place, standing)| {
            match standing.outcome {
                Outcome::Admitted => given_back(*standing, place.charge.cost),
                _ => *standing,
            }
        }))
    }

    /// Acts on the account of a key, or on that of all keys that find no room.
    fn in_account<T>(&self, place: &Place<'_>, act: impl FnOnce(&mut Account, Duration) -> T) -> T {
        let mut shard = self.table.lock(place.shard);
        let now = self.clock.monotonic();
        let new = || Account::new(place.grid);
        let shard: &mut Shard<Account> = &mut shard;
        if shard.known(&place.identity).is_some() || shard.has_room(now) {
            return act(shard.known_or(place.identity, new), now);
        }
        act(shard.overflow_or(place.identity.policy, new), now)
    }
}

/// When a charge is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    First,
    /// After the question about it was answered.
    Answered,
    /// While another charge was asked about.
    Again,
}

/// Ends a question in whatever way.
struct Ending<'e> {
    limiter: &'e SharedLimiter,
    place: &'e Place<'e>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut shard = self.limiter.table.lock(self.place.shard);
        if let Some(account) = shard.known(&self.place.identity) {
            account.end();
        }
    }
}

impl Said {
    fn standing(&self) -> Option<Standing> {
        match self {
            Self::Taken(standing) | Self::Refused(standing) => Some(*standing),
            Self::Unknown => None,
        }
    }
}

/// The standing of a key whose units were given back, because another policy refuses.
fn given_back(standing: Standing, cost: u32) -> Standing {
    let remaining = standing.remaining.saturating_add(cost);
    let reset_after = if remaining == 0 { standing.reset_after } else { Duration::ZERO };
    Standing { remaining, reset_after, ..standing }
}
