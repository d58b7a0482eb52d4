//! The limiter of one process.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mainstay_core::{
    Charge, Clock, Decision, Limiter, OutageMode, Outcome, Policy, Standing, SystemClock,
    Timestamp, Verdict,
};
use mainstay_store::{LocalLimiter, LocalLimiterOptions};
use proptest::prelude::*;

use super::{
    judge::{
        Admit, QUOTA, WINDOW_NS, fixed_window, gcra, log, most_in_any_window, weighted_counter,
    },
    traffic::Traffic,
};

/// A clock that a test sets.
#[derive(Debug, Default)]
struct TestClock(AtomicU64);

impl TestClock {
    fn set(&self, nanoseconds: u64) {
        self.0.store(nanoseconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

fn policy(quota: u32, window: Duration) -> Policy {
    Policy { name: "users.create".to_owned(), quota, window, outage: OutageMode::Local }
}

fn decide(limiter: &LocalLimiter, policy: &Policy, key: u128, cost: u32) -> Standing {
    decide_all(limiter, &[Charge { policy, key, cost }]).standings()[0]
}

fn decide_all(limiter: &LocalLimiter, charges: &[Charge<'_>]) -> Decision {
    match limiter.decide(charges) {
        Verdict::Now(decision) => decision,
        Verdict::Later(_) => unreachable!("a local limiter knows at once"),
    }
}

fn is_admitted(limiter: &LocalLimiter, policy: &Policy, key: u128, cost: u32) -> bool {
    decide(limiter, policy, key, cost).outcome == Outcome::Admitted
}

fn ring() -> Admit {
    let clock = Arc::new(TestClock::default());
    let limiter = LocalLimiter::new(clock.clone());
    let policy = policy(QUOTA, Duration::from_nanos(WINDOW_NS));
    Box::new(move |at| {
        clock.set(at);
        is_admitted(&limiter, &policy, 7, 1)
    })
}

fn admissions(arrivals: &[u64], mut admit: Admit) -> Vec<u64> {
    arrivals.iter().copied().filter(|at| admit(*at)).collect()
}

#[test]
fn no_interval_of_the_window_holds_more_than_the_quota() {
    for (kind, arrivals) in Traffic::all() {
        let admitted = admissions(&arrivals, ring());
        let most = most_in_any_window(&admitted, WINDOW_NS);
        assert!(most <= QUOTA as usize, "{kind}: {most}");
        let possible = admissions(&arrivals, log()).len();
        let utilisation = admitted.len() as f64 / possible as f64;
        assert!(utilisation >= 0.97, "{kind}: {utilisation:.3} of what the exact log admits");
    }
}

#[test]
fn the_checker_catches_limiters_that_break_the_bound() {
    let boundary = Traffic::boundary();
    for (name, control) in
        [("fixed", fixed_window()), ("weighted", weighted_counter()), ("gcra", gcra())]
    {
        let most = most_in_any_window(&admissions(&boundary, control), WINDOW_NS);
        assert!(most > 3 * QUOTA as usize / 2, "{name} admits {most}, and got away with it");
    }
    assert_eq!(most_in_any_window(&admissions(&boundary, log()), WINDOW_NS), QUOTA as usize);
}

#[derive(Clone, Debug)]
struct Arrival {
    gap_ns: u64,
    key: u8,
    cost: u32,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let gap = prop_oneof![4 => 0..50_000_000_u64, 1 => 0..1_200_000_000_u64];
    (gap, 0..4_u8, 0..4_u32).prop_map(|(gap_ns, key, cost)| Arrival { gap_ns, key, cost })
}

proptest! {
    /// Odd windows, several keys, costs, and room for fewer keys than there are.
    #[test]
    fn the_bound_holds_for_every_key_and_every_answer_is_true(
        arrivals in prop::collection::vec(arrival(), 1..400),
        quota in 1..12_u32,
        window_ns in 1_000_000_000..1_300_000_000_u64,
        max_keys in 1..6_usize,
    ) {
        let clock = Arc::new(TestClock::default());
        let options = LocalLimiterOptions { max_keys };
        let limiter = LocalLimiter::with_options(clock.clone(), options);
        let policy = policy(quota, Duration::from_nanos(window_ns));
        let mut admitted: HashMap<u8, Vec<(u64, u32)>> = HashMap::new();
        let mut now = 0;
        for Arrival { gap_ns, key, cost } in arrivals {
            now += gap_ns;
            clock.set(now);
            let before = decide(&limiter, &policy, key.into(), 0);
            let decision = decide(&limiter, &policy, key.into(), cost);
            prop_assert_eq!(decision.outcome == Outcome::Admitted, cost <= before.remaining);
            prop_assert_eq!(decision.remaining == 0, !decision.reset_after.is_zero());
            let log = admitted.entry(key).or_default();
            if decision.outcome == Outcome::Admitted {
                log.push((now, cost));
            }
            let used: u32 = log
                .iter()
                .filter(|(at, _)| at + window_ns > now)
                .map(|(_, cost)| cost)
                .sum();
            prop_assert!(used <= quota, "{} of {}", used, quota);
            prop_assert!(decision.remaining <= quota - used, "remaining is higher than the truth");
            if !decision.reset_after.is_zero() {
                let reset = decision.reset_after.as_nanos() as u64;
                clock.set(now + reset - 1);
                prop_assert_eq!(decide(&limiter, &policy, key.into(), 0).remaining, 0);
                clock.set(now + reset);
                prop_assert!(decide(&limiter, &policy, key.into(), 0).remaining > 0);
                now += reset;
            }
        }
        prop_assert!(limiter.len() <= max_keys);
    }
}

#[test]
fn policies_do_not_share_what_they_count() {
    let limiter = LocalLimiter::new(Arc::new(TestClock::default()));
    let create = policy(1, Duration::from_secs(1));
    let list = Policy { name: "users.list".to_owned(), ..create.clone() };
    for policy in [&create, &list] {
        assert!(is_admitted(&limiter, policy, 1, 1));
        assert!(!is_admitted(&limiter, policy, 1, 1));
        assert!(is_admitted(&limiter, policy, 2, 1));
    }
}

#[test]
fn what_one_policy_refuses_is_charged_to_none() {
    let clock = Arc::new(TestClock::default());
    let limiter = LocalLimiter::new(clock.clone());
    let (burst, day) = (policy(3, Duration::from_secs(1)), policy(5, Duration::from_mins(1)));
    let day = Policy { name: "day".to_owned(), ..day };
    let ask = |cost| {
        let charge = |policy| Charge { policy, key: 1, cost };
        let decision = decide_all(&limiter, &[charge(&burst), charge(&day)]);
        let left: Vec<u32> = decision.standings().iter().map(|each| each.remaining).collect();
        (decision.outcome, left, decision.retry_after)
    };
    let seconds = Duration::from_secs_f64;
    assert_eq!(ask(2), (Outcome::Admitted, vec![1, 3], seconds(0.0)));
    let (outcome, left, retry_after) = ask(2);
    assert_eq!((outcome, left), (Outcome::Refused, vec![1, 3]));
    assert!(retry_after > seconds(1.0) && retry_after < seconds(1.1), "{retry_after:?}");
    clock.set(2_000_000_000);
    assert_eq!(ask(3), (Outcome::Admitted, vec![0, 0], seconds(0.0)));
    clock.set(4_000_000_000);
    assert_eq!(ask(1), (Outcome::Refused, vec![3, 0], seconds(57.0)), "the day is full");
    clock.set(61_000_000_000);
    assert_eq!(ask(2), (Outcome::Admitted, vec![1, 0], seconds(0.0)));
}

#[test]
fn threads_that_charge_several_in_any_order_neither_block_nor_exceed() {
    let limiter = LocalLimiter::new(Arc::new(SystemClock::new()));
    let policies: Vec<Policy> = (0..4_u32)
        .map(|n| Policy { name: n.to_string(), ..policy(500 + n, Duration::from_hours(1)) })
        .collect();
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|first| {
                let (limiter, policies) = (&limiter, &policies);
                scope.spawn(move || {
                    let charges: [Charge<'_>; 4] = std::array::from_fn(|n| Charge {
                        policy: &policies[(first + n) % 4],
                        key: 1,
                        cost: 1,
                    });
                    (0..1000).filter(|_| decide_all(limiter, &charges).is_admitted()).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(admitted, 500);
    let left = policies.iter().map(|policy| decide(&limiter, policy, 1, 0).remaining);
    assert_eq!(left.collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_million_keys_stay_within_the_bound_on_memory() {
    let clock = Arc::new(TestClock::default());
    let limiter =
        LocalLimiter::with_options(clock.clone(), LocalLimiterOptions { max_keys: 10_000 });
    let policy = policy(2, Duration::from_secs(1));
    for key in 0..1_000_000 {
        decide(&limiter, &policy, key, 1);
    }
    assert!(limiter.len() <= 10_000, "{}", limiter.len());
    // Known keys keep what is theirs, and a full limiter still bounds the others.
    for key in [5_000_000, 5_000_001, 5_000_002] {
        let admitted = (0..10).filter(|_| is_admitted(&limiter, &policy, key, 1)).count();
        assert!(admitted <= 2, "{admitted}");
    }
    // When the old keys have expired, new ones find room: each new key clears several old ones.
    clock.set(2_000_000_000);
    for key in 10_000_000..10_005_000 {
        decide(&limiter, &policy, key, 1);
    }
    assert!(is_admitted(&limiter, &policy, 20_000_000, 2));
    clock.set(4_000_000_000);
    for key in 0..6_000 {
        decide(&limiter, &policy, key, 1);
    }
    assert!(limiter.len() <= 6_500, "expired keys are still there: {}", limiter.len());
}

#[test]
fn a_key_that_moves_out_of_the_overflow_keeps_its_bound() {
    let clock = Arc::new(TestClock::default());
    let limiter = LocalLimiter::with_options(clock.clone(), LocalLimiterOptions { max_keys: 1 });
    let policy = policy(2, Duration::from_secs(1));
    assert!(is_admitted(&limiter, &policy, 1, 1), "the only place is taken");
    clock.set(900_000_000);
    assert!(is_admitted(&limiter, &policy, 2, 2), "in the overflow");
    // The first key expires and leaves its place to the second, which has used its quota.
    clock.set(1_100_000_000);
    assert!(!is_admitted(&limiter, &policy, 2, 1));
    clock.set(1_920_000_000);
    assert!(is_admitted(&limiter, &policy, 2, 2));
    assert_eq!(limiter.len(), 1);
}

#[test]
fn threads_together_get_no_more_than_the_quota() {
    let limiter = LocalLimiter::new(Arc::new(SystemClock::new()));
    let policy = policy(1000, Duration::from_hours(1));
    let admitted: usize = std::thread::scope(|scope| {
        let one = || (0..2000).filter(|_| is_admitted(&limiter, &policy, 1, 1)).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(admitted, 1000);
}

#[expect(clippy::print_stdout, reason = "the figure is the result")]
#[test]
fn the_cost_of_a_decision() {
    const DECISIONS: u32 = 200_000;
    let limiter = LocalLimiter::new(Arc::new(SystemClock::new()));
    let policy = policy(DECISIONS, Duration::from_mins(1));
    for (keys, what) in [(1, "one key"), (50_000, "50,000 keys")] {
        let begun = Instant::now();
        for n in 0..DECISIONS {
            decide(&limiter, &policy, (n % keys).into(), 1);
        }
        println!("{what}: {} ns a decision", begun.elapsed().as_nanos() / u128::from(DECISIONS));
    }
}
