//! One process of a fleet: it sends itself requests, has them decided, and writes down what came of
//! each and when.

use std::{
    cell::RefCell,
    fs,
    io::Write as _,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay_core::{
    Charge, Clock, Decision, Limiter, OutageMode, Outcome, Policy, Secret, Timestamp, Verdict,
};
use mainstay_store::{LimiterCounts, Redis, SharedLimiter, SharedLimiterOptions};
use rustix::time::{ClockId, clock_gettime};

use super::{fleet::Orders, judge::WINDOW_NS, traffic::Traffic};

/// How many requests of a client that does nothing else are under way, at most.
const GREEDY: usize = 8;

/// The clock that all processes of a machine share. It remembers when it was read last: there is
/// one thread, so when a decision has just been made, that is the instant of it.
#[derive(Debug, Default)]
pub(super) struct SharedClock(AtomicU64);

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        unreachable!("no decision depends on what time the process takes it to be")
    }

    fn monotonic(&self) -> Duration {
        let now = now_ns();
        self.0.store(now, Ordering::Relaxed);
        Duration::from_nanos(now)
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A request, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// When it came and when it was decided, by the clock that all share.
    pub(super) arrived: u64,
    pub(super) decided: u64,
    pub(super) outcome: Outcome,
    pub(super) remaining: u32,
}

impl Event {
    fn line(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Admitted => 0,
            Outcome::Uncounted => 1,
            Outcome::Refused => 2,
        };
        format!("{} {} {outcome} {}\n", self.arrived, self.decided, self.remaining)
    }

    pub(super) fn parse(line: &str) -> Self {
        let numbers: Vec<u64> =
            line.split(' ').map(|number| number.parse().expect("a number")).collect();
        let outcome = [Outcome::Admitted, Outcome::Uncounted, Outcome::Refused];
        Self {
            arrived: numbers[0],
            decided: numbers[1],
            outcome: outcome[numbers[2] as usize],
            remaining: numbers[3] as u32,
        }
    }
}

/// Everything that one process needs for a decision.
struct Member {
    limiter: SharedLimiter,
    clock: Arc<SharedClock>,
    policy: Policy,
    events: RefCell<Vec<Event>>,
}

/// Runs a member to its end.
pub(super) fn run(orders: &Orders) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let clock = Arc::new(SharedClock::default());
        let redis = Redis::new(orders.url.parse().expect("an address"), orders.options());
        let options = SharedLimiterOptions {
            max_keys: 1000,
            processes: orders.members,
            secret: Secret::new("of the fleet".to_owned()),
        };
        let member = Rc::new(Member {
            limiter: SharedLimiter::new(&redis, clock.clone(), &options),
            clock,
            policy: policy(orders),
            events: RefCell::default(),
        });
        tokio::time::sleep(Duration::from_nanos(orders.start.saturating_sub(now_ns()))).await;
        match orders.traffic.as_str() {
            "greedy" => Member::greed(&member, orders.end).await,
            _ => Member::replay(&member, &arrivals(orders), orders.end).await,
        }
        member.write(&orders.log);
    });
}

fn policy(orders: &Orders) -> Policy {
    Policy {
        name: "fleet".to_owned(),
        quota: orders.quota,
        window: orders.window,
        outage: OutageMode::Local,
    }
}

/// The member's part of the traffic that all of them make together, at the scale of the run.
fn arrivals(orders: &Orders) -> Vec<u64> {
    let (_, arrivals) = Traffic::all()
        .into_iter()
        .find(|(kind, _)| *kind == orders.traffic)
        .expect("a kind of traffic");
    let scale = orders.window.as_nanos() as f64 / WINDOW_NS as f64;
    let mut who = Traffic::new();
    let mut chosen = move || (who.uniform() * f64::from(orders.members)).ceil() as u32 - 1;
    let mine = arrivals.into_iter().filter(|_| chosen() == orders.index);
    mine.map(|at| orders.start + (at as f64 * scale) as u64).collect()
}

impl Member {
    async fn request(self: Rc<Self>) -> Decision {
        let arrived = now_ns();
        let charges = [Charge { policy: &self.policy, key: 7, cost: 1 }];
        let decision = match self.limiter.decide(&charges) {
            Verdict::Now(decision) => decision,
            Verdict::Later(asking) => asking.await,
        };
        let decided = self.clock.0.load(Ordering::Relaxed);
        let standing = decision.standings()[0];
        let (outcome, remaining) = (standing.outcome, standing.remaining);
        self.events.borrow_mut().push(Event { arrived, decided, outcome, remaining });
        decision
    }

    /// Sends each request at its time, whether or not earlier ones have been decided.
    async fn replay(self: &Rc<Self>, arrivals: &[u64], end: u64) {
        let mut under_way = tokio::task::JoinSet::new();
        for at in arrivals.iter().take_while(|at| **at < end) {
            let wait = at.saturating_sub(now_ns());
            if wait > 0 {
                tokio::time::sleep(Duration::from_nanos(wait)).await;
            }
            under_way.spawn_local(Rc::clone(self).request());
            while under_way.try_join_next().is_some() {}
        }
        under_way.join_all().await;
    }

    /// Asks again as soon as the answer says that it may be worth it.
    async fn greed(self: &Rc<Self>, end: u64) {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..GREEDY {
            let member = Rc::clone(self);
            clients.spawn_local(async move {
                while now_ns() < end {
                    let decision = Rc::clone(&member).request().await;
                    match decision.retry_after {
                        Duration::ZERO => tokio::task::yield_now().await,
                        wait => tokio::time::sleep(wait.min(Duration::from_millis(50))).await,
                    }
                }
            });
        }
        clients.join_all().await;
    }

    fn write(&self, path: &Path) {
        let events: String = self.events.borrow().iter().map(Event::line).collect();
        let LimiterCounts { questions, alone, failures, .. } = self.limiter.counts();
        let text = format!("{events}{questions} {alone} {failures}\n");
        // In one step: a file that is there is whole.
        let partial = path.with_extension("partial");
        fs::File::create(&partial)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("a file");
        fs::rename(partial, path).expect("the same folder");
    }
}
