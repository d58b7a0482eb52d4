//! Accounts of several processes over a model of the script, and the model beside the script.

mod model;

use std::time::Duration;

use mainstay_core::{OutageMode, Outcome, Policy, Standing};
use mainstay_test_databases::{Memory, PrivateRedis};
use proptest::prelude::*;

use self::model::Model;
use super::{
    lease::{Account, Word},
    script::{Counting, Question},
};
use crate::{
    limit::ring::Grid,
    redis::{Purpose, Redis, RedisOptions},
};

const WINDOW: Duration = Duration::from_mins(1);

/// The time of the server when the processes' clocks are at zero.
const EPOCH_US: i64 = 1_700_000_000_000_000;

/// Processes that share a quota, on one timeline, and a server.
struct World {
    now: Duration,
    quota: u32,
    counting: Counting,
    processes: Vec<Process>,
    server: Model,
    /// When units were admitted.
    admitted: Vec<Duration>,
}

struct Process {
    account: Account,
    /// How far its clock is from the timeline. Nothing may depend on it.
    skew: Duration,
}

/// What happens next.
#[derive(Clone, Debug)]
struct Event {
    gap_us: u64,
    process: usize,
    /// From the question to the server and back.
    trip_us: [u64; 2],
    cost: u32,
}

fn event(processes: usize) -> impl Strategy<Value = Event> {
    let gap = prop_oneof![6 => 0..300_000_u64, 1 => 0..20_000_000_u64];
    // Now and then an answer comes later than the lease ends.
    let trip = prop_oneof![9 => 0..2_000_u64, 1 => 0..1_500_000_u64];
    (gap, 0..processes, [trip.clone(), trip], 0..3_u32)
        .prop_map(|(gap_us, process, trip_us, cost)| Event { gap_us, process, trip_us, cost })
}

impl World {
    fn new(processes: usize, quota: u32) -> Self {
        let process = |n: usize| Process {
            account: Account::new(Grid::new(WINDOW)),
            skew: Duration::from_secs(30 * n as u64),
        };
        Self {
            now: Duration::from_secs(1),
            quota,
            counting: Counting::new(processes as u32),
            processes: (0..processes).map(process).collect(),
            server: Model::default(),
            admitted: Vec::new(),
        }
    }

    /// A request of `cost` at a process, decided within one question.
    fn request(&mut self, event: &Event) -> Option<Standing> {
        let Event { process, trip_us: [there, back], cost, .. } = *event;
        let skew = self.processes[process].skew;
        let account = &mut self.processes[process].account;
        account.arrive(self.now + skew, cost);
        let mut fresh = false;
        if matches!(account.word(self.now + skew, cost), Word::Unknown) {
            let sent = self.now + skew;
            let question = account.begin(sent, self.quota, cost).ok()?;
            self.now += Duration::from_micros(there);
            let clock = EPOCH_US + self.now.as_micros() as i64;
            let reply = self.server.answer(&question, self.counting.wish(&question), clock);
            self.now += Duration::from_micros(back);
            account.learn(sent, self.now + skew, &question, &reply);
            account.end();
            fresh = true;
        }
        match account.word(self.now + skew, cost) {
            Word::Yes => {
                account.take(self.now + skew, cost);
                self.admitted.extend((0..cost).map(|_| self.now));
                Some(account.standing(self.now + skew, fresh))
            }
            Word::No(wait) => Some(account.refusal(wait)),
            Word::Unknown | Word::Alone => None,
        }
    }

    /// Units admitted in the window that ends now.
    fn in_window(&self) -> usize {
        self.admitted.iter().filter(|at| **at + WINDOW > self.now).count()
    }
}

proptest! {
    /// Whatever arrives where, whatever the network does, whatever the clocks of the processes say.
    #[test]
    fn no_window_holds_more_than_the_quota_and_no_header_more_than_the_truth(
        events in prop::collection::vec(event(4), 1..500),
        processes in 1..5_usize,
        quota in 1..40_u32,
    ) {
        let mut world = World::new(processes, quota);
        for mut event in events {
            world.now += Duration::from_micros(event.gap_us);
            event.process %= processes;
            let standing = world.request(&event);
            let used = world.in_window();
            prop_assert!(used <= quota as usize, "{} of {}", used, quota);
            if let Some(standing) = standing {
                let left = quota as usize - used;
                let admitted = standing.outcome == Outcome::Admitted;
                prop_assert!(
                    standing.remaining as usize <= left || !admitted,
                    "{} of {}", standing.remaining, left
                );
            }
        }
    }

    /// The memory is lost again and again: each time at most another quota is admitted.
    #[test]
    fn a_server_that_has_lost_its_memory_is_told(
        events in prop::collection::vec(event(4), 50..300),
        quota in 4..40_u32,
        lost_at in 10..50_usize,
    ) {
        let mut world = World::new(4, quota);
        for (n, event) in events.iter().enumerate() {
            world.now += Duration::from_micros(event.gap_us);
            if n == lost_at {
                world.server.lose();
            }
            world.request(event);
            prop_assert!(world.in_window() <= 2 * quota as usize);
        }
    }
}

/// One process that has used its quota: after the loss it is told, and gets nothing more.
#[test]
fn what_a_process_has_admitted_survives_the_loss_of_the_memory() {
    let mut world = World::new(1, 10);
    let event = Event { gap_us: 0, process: 0, trip_us: [100, 100], cost: 1 };
    for _ in 0..6 {
        world.now += Duration::from_secs(2);
        assert_eq!(world.request(&event).expect("is decided").outcome, Outcome::Admitted);
    }
    world.server.lose();
    world.now += Duration::from_secs(2);
    let standing = world.request(&event).expect("is decided");
    assert_eq!((standing.outcome, standing.remaining), (Outcome::Admitted, 3));
}

#[test]
fn what_was_admitted_alone_is_told_when_the_server_is_back() {
    let policy =
        Policy { name: "p".to_owned(), quota: 8, window: WINDOW, outage: OutageMode::Local };
    let mut world = World::new(2, policy.quota);
    let alone = |world: &mut World, process: usize| {
        let Process { account, skew } = &mut world.processes[process];
        account.decide_alone(world.now + *skew, &policy, 1, 2).outcome
    };
    for process in [0, 1] {
        let outcomes: Vec<Outcome> = (0..5).map(|_| alone(&mut world, process)).collect();
        let half = [[Outcome::Admitted; 4].as_slice(), &[Outcome::Refused]].concat();
        assert_eq!(outcomes, half, "a half of the quota each");
    }
    for (process, left) in [(0, 3), (1, 0)] {
        let event = Event { gap_us: 0, process, trip_us: [0, 0], cost: 1 };
        let standing = world.request(&event).expect("is decided");
        assert_eq!(standing.remaining, left, "{standing:?}");
    }
}

#[test]
fn closed_policies_refuse_alone_and_open_ones_admit() {
    let policy = |outage| Policy { name: "p".to_owned(), quota: 1, window: WINDOW, outage };
    let mut account = Account::new(Grid::new(WINDOW));
    let now = Duration::from_secs(9);
    for _ in 0..3 {
        let closed = account.decide_alone(now, &policy(OutageMode::Closed), 1, 1);
        assert_eq!((closed.outcome, closed.remaining), (Outcome::Uncounted, 0));
        assert_eq!(closed.retry_after, Duration::from_secs(1));
        let open = account.decide_alone(now, &policy(OutageMode::Open), 1, 1);
        assert_eq!((open.outcome, open.remaining), (Outcome::Admitted, 0));
    }
}

/// Questions of every kind, each answered by the script and by the model, at the time that the
/// script says it was.
#[tokio::test]
async fn the_script_answers_as_the_model_does() {
    let server = PrivateRedis::start(Memory::Lost).expect("starts");
    let options = RedisOptions { command_timeout: WINDOW, ..RedisOptions::default() };
    let redis = Redis::new(server.url().parse().expect("an address"), options);
    let link = redis.link(Purpose::Limits);
    assert!(link.ready(WINDOW).await);
    for round in 0..20_u64 {
        let mut random = fastrand::Rng::with_seed(round);
        let counting = Counting::new(random.u32(1..5));
        let (mut model, mut known, mut bucket, mut asked) = (Model::default(), 0, 0, 0);
        let name = format!("round {round}");
        // Sub-buckets from 0.1 to 17 ms: some rounds see many of them pass.
        let grid = Grid::new(Duration::from_micros(8000 << random.u32(0..8)));
        let quota = random.u32(1..60);
        for n in 0..200 {
            let recent = if random.u8(..) < 20 { random.u32(0..9) } else { 0 };
            let question = Question {
                grid,
                quota,
                need: random.u32(0..3),
                waiting: random.u32(0..6),
                expected: random.u32(0..20),
                is_short: random.bool(),
                known: if random.u8(..) < 8 { 1 } else { known },
                back: random.u32(0..4),
                back_to: bucket - random.i64(0..3),
                alone: recent / 2,
                recent,
            };
            let reply = counting.ask(&link, &name, &question).await.expect("is answered");
            let lifetime = grid.width().as_micros() as i64 * 62;
            if n > 0 && reply.born != known && reply.clock - asked >= lifetime {
                // Nobody asked for so long that the hash was dropped.
                model.lose();
            }
            let expected = model.answer(&question, counting.wish(&question), reply.clock);
            assert_eq!(reply, expected, "round {round}, question {n}: {question:?}");
            (known, bucket, asked) = (reply.born, reply.bucket, reply.clock);
        }
    }
}
