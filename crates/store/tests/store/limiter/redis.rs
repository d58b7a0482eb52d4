//! One process and a Redis: several charges at once, callers that go away, memory that is full.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use mainstay_core::{
    Charge, Decision, Limiter, OutageMode, Outcome, Policy, Secret, SystemClock, Verdict,
};
use mainstay_store::{Redis, RedisOptions, SharedLimiter, SharedLimiterOptions};
use mainstay_test_databases::{Memory, PrivateCluster, PrivateRedis};

/// Longer than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

async fn limiter(url: &str, max_keys: usize) -> SharedLimiter {
    let options = RedisOptions { command_timeout: PATIENCE, ..RedisOptions::default() };
    let redis = Redis::new(url.parse().expect("an address"), options);
    let secret = Secret::new("of the test".to_owned());
    let options = SharedLimiterOptions { max_keys, processes: 1, secret };
    let limiter = SharedLimiter::new(&redis, Arc::new(SystemClock::new()), &options);
    assert!(limiter.ready(PATIENCE).await);
    limiter
}

fn server() -> PrivateRedis {
    PrivateRedis::start(Memory::Lost).expect("starts")
}

fn policy(name: &str, quota: u32) -> Policy {
    let window = Duration::from_hours(1);
    Policy { name: name.to_owned(), quota, window, outage: OutageMode::Closed }
}

async fn decide(limiter: &SharedLimiter, charges: &[Charge<'_>]) -> Decision {
    match limiter.decide(charges) {
        Verdict::Now(decision) => decision,
        Verdict::Later(asking) => asking.await,
    }
}

fn left(decision: &Decision) -> Vec<u32> {
    decision.standings().iter().map(|standing| standing.remaining).collect()
}

/// Three of the one, with costs, and five of the other.
async fn check_several(limiter: &SharedLimiter) {
    let (client, tenant) = (policy("client", 3), policy("tenant", 5));
    let ask = async |key, cost| {
        let charge = |policy, key| Charge { policy, key, cost };
        decide(limiter, &[charge(&client, key), charge(&tenant, 7)]).await
    };
    for (key, cost, outcome, remaining) in [
        (1, 2, Outcome::Admitted, [1, 3]),
        (1, 2, Outcome::Refused, [1, 3]),
        (2, 2, Outcome::Admitted, [1, 1]),
        (3, 2, Outcome::Refused, [3, 1]),
        (1, 1, Outcome::Admitted, [0, 0]),
        (2, 1, Outcome::Refused, [1, 0]),
    ] {
        let decision = ask(key, cost).await;
        assert_eq!((decision.outcome, left(&decision)), (outcome, remaining.to_vec()), "{key}");
        assert_eq!(decision.retry_after.is_zero(), decision.is_admitted());
    }
}

#[tokio::test]
async fn what_one_policy_refuses_is_charged_to_none_of_redis() {
    let server = server();
    check_several(&limiter(&server.url(), 1000).await).await;
}

#[tokio::test]
async fn keys_of_one_request_may_be_at_several_nodes_of_a_cluster() {
    let cluster = PrivateCluster::start(3).expect("starts");
    let limiter = limiter(&cluster.url(), 1000).await;
    check_several(&limiter).await;
    let (client, tenant) = (policy("some", 2), policy("all", 100));
    for key in 0..60 {
        let charge = |policy, key| Charge { policy, key, cost: 1 };
        let decision = decide(&limiter, &[charge(&client, key), charge(&tenant, 7)]).await;
        assert!(decision.is_admitted(), "{key}");
    }
    for node in cluster.nodes() {
        assert_ne!(node.ask(&["DBSIZE"]), "0");
    }
}

#[tokio::test]
async fn clients_that_rotate_their_address_cost_a_call_each_and_no_memory() {
    let server = server();
    let limiter = limiter(&server.url(), 64).await;
    let policy = policy("p", 2);
    for key in 0..500 {
        assert!(decide(&limiter, &[Charge { policy: &policy, key, cost: 1 }]).await.is_admitted());
    }
    assert!(limiter.len() <= 64, "{}", limiter.len());
    assert_eq!(limiter.counts().questions, 500);
    // Also those that found no room have a quota, and no more.
    for key in [498, 499] {
        let charge = [Charge { policy: &policy, key, cost: 1 }];
        assert!(decide(&limiter, &charge).await.is_admitted());
        assert_eq!(decide(&limiter, &charge).await.outcome, Outcome::Refused);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nobody_waiting() {
    let server = server();
    let limiter = limiter(&server.url(), 1000).await;
    let policy = policy("p", 100);
    let charge = [Charge { policy: &policy, key: 1, cost: 1 }];
    for _ in 0..20 {
        let Verdict::Later(asking) = limiter.decide(&charge) else { break };
        // The question is sent, and nobody reads the answer.
        assert!(asking.now_or_never().is_none());
        let next = tokio::time::timeout(PATIENCE, decide(&limiter, &charge)).await;
        assert!(next.expect("in time").is_admitted());
    }
}

#[tokio::test]
async fn a_crowd_asks_once_and_gets_no_more_than_the_quota() {
    let server = server();
    let limiter = Arc::new(limiter(&server.url(), 1000).await);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let limiter = Arc::clone(&limiter);
        crowd.spawn(async move {
            let policy = policy("p", 300);
            decide(&limiter, &[Charge { policy: &policy, key: 1, cost: 1 }]).await.is_admitted()
        });
    }
    let admitted = crowd.join_all().await.into_iter().filter(|admitted| *admitted).count();
    assert_eq!(admitted, 300);
    assert!(limiter.counts().questions < 20, "{:?}", limiter.counts());
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
#[tokio::test]
async fn the_cost_of_a_decision_at_hand() {
    const DECISIONS: u32 = 100_000;
    let server = server();
    let limiter = limiter(&server.url(), 1000).await;
    let (wide, narrow) = (policy("wide", u32::MAX), policy("narrow", 1));
    for (policy, what) in [(&wide, "leased"), (&narrow, "refused")] {
        let charge = [Charge { policy, key: 1, cost: 1 }];
        let (mut at_hand, mut took) = (0, Duration::ZERO);
        for _ in 0..DECISIONS {
            let begun = Instant::now();
            match limiter.decide(&charge) {
                Verdict::Now(_) => (at_hand, took) = (at_hand + 1, took + begun.elapsed()),
                Verdict::Later(asking) => drop(asking.await),
            }
        }
        println!("{what}: {} ns, {at_hand} of {DECISIONS} at hand", took.as_nanos() / at_hand);
        assert!(at_hand > u128::from(DECISIONS) * 9 / 10, "{what}: {at_hand}");
    }
}
