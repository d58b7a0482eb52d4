//! Claims: of any number of callers one does a request, and who lost it keeps nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use mainstay_core::{Attempt, Claim, Completion};
use mainstay_store::StoreError;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::{
    attempts::{Keeper, LEASE, answer, keep, name, request, within},
    fixture::{add, empty},
};

#[tokio::test]
async fn an_answer_is_kept_byte_for_byte() {
    let keeper = Keeper::new().await;
    keep(keeper.fresh(request(1, 1)).await).await;
    let Claim::Answered(kept) = keeper.claim(request(1, 1)).await else {
        panic!("it was answered");
    };
    assert_eq!(kept, answer());
    assert!(!format!("{kept:?}").contains("notes"), "it may be personal");
}

#[tokio::test]
async fn a_key_is_for_one_request_from_the_claim_on() {
    let keeper = Keeper::new().await;
    let attempt = keeper.fresh(request(1, 1)).await;
    assert_eq!(keeper.look(request(1, 1)).await, "in progress");
    assert_eq!(keeper.look(request(1, 2)).await, "reused");
    assert_eq!(keeper.look(request(2, 1)).await, "fresh", "another key is another request");
    keeper.clock.advance(LEASE);
    assert_eq!(keeper.look(request(1, 2)).await, "reused", "the effect may have been had");
    keep(attempt).await;
    assert_eq!(keeper.look(request(1, 2)).await, "reused");
}

#[tokio::test]
async fn who_was_slower_than_the_lease_keeps_nothing_once_somebody_else_has_the_claim() {
    let keeper = Keeper::new().await;
    let mut slow = keeper.fresh(request(1, 1)).await;
    keeper.clock.advance(LEASE);
    let mut next = keeper.fresh(request(1, 1)).await;
    let db = keeper.db().clone();
    within(&mut slow, async { add(&db, 1).await.expect("the id is new") }).await;
    let completed = slow.complete(answer()).await.expect("the store answers");
    assert_eq!(completed, Completion::Lost);
    within(&mut next, async { add(&db, 2).await.expect("the id is new") }).await;
    keep(next).await;
    assert_eq!(keeper.fixture.ids().await, [2]);
}

#[tokio::test]
async fn who_was_slower_than_the_lease_keeps_the_claim_that_nobody_else_has() {
    let keeper = Keeper::new().await;
    let slow = keeper.fresh(request(1, 1)).await;
    keeper.clock.advance(LEASE * 10);
    keep(slow).await;
}

#[tokio::test]
async fn a_claim_that_was_given_up_in_between_is_not_taken_for_the_first_one() {
    let keeper = Keeper::new().await;
    let mut slow = keeper.fresh(request(1, 1)).await;
    keeper.clock.advance(LEASE);
    keeper.fresh(request(1, 1)).await.give_up().await;
    // The row is a new one; a number that counted the claims in it would have begun again.
    let third = keeper.fresh(request(1, 1)).await;
    let db = keeper.db().clone();
    within(&mut slow, async { add(&db, 1).await.expect("the id is new") }).await;
    let completed = slow.complete(answer()).await.expect("the store answers");
    assert_eq!(completed, Completion::Lost);
    keep(third).await;
    assert!(keeper.fixture.ids().await.is_empty());
}

#[tokio::test]
async fn giving_up_leaves_an_answer_and_the_claim_of_somebody_else_alone() {
    let keeper = Keeper::new().await;
    let slow = keeper.fresh(request(1, 1)).await;
    keeper.clock.advance(LEASE);
    let next = keeper.fresh(request(1, 1)).await;
    slow.give_up().await;
    assert_eq!(keeper.look(request(1, 1)).await, "in progress");
    keep(next).await;
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let keeper = Keeper::new().await;
    keep(keeper.fresh(request(1, 1)).await).await;
    keeper.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
    assert_eq!(keeper.look(request(1, 1)).await, "answered");
    keeper.clock.advance(Duration::from_secs(1));
    let again = keeper.fresh(request(1, 2)).await;
    assert_eq!(keeper.look(request(1, 2)).await, "in progress", "the old answer is gone");
    keep(again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_claims_at_the_same_time_one_is_fresh() {
    let keeper = std::sync::Arc::new(Keeper::new().await);
    for id in 0..20 {
        let claiming = |_| {
            let keeper = keeper.clone();
            tokio::spawn(async move { keeper.claim(request(id, 1)).await })
        };
        let mut fresh = Vec::new();
        for claim in (0..8).map(claiming).collect::<Vec<_>>() {
            match claim.await.expect("no panic") {
                Claim::Fresh(attempt) => fresh.push(attempt),
                other => assert_eq!(name(&other), "in progress"),
            }
        }
        assert_eq!(fresh.len(), 1);
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_noticed() {
    let keeper = Keeper::new().await;
    keeper.store.check().await.expect("the table is there");
    let nothing = empty().await;
    let store = mainstay_store::Idempotency::new(nothing.clone(), keeper.clock.clone());
    let error = store.check().await.expect_err("there is no table");
    assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
}

/// What may happen to a key.
#[derive(Clone, Copy, Debug)]
enum Step {
    Claim {
        fingerprint: u8,
    },
    /// An attempt, counted modulo those there are, does its work and completes.
    Complete(usize),
    GiveUp(usize),
    /// Its process is killed.
    Vanish(usize),
    Wait {
        seconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..=2_u8).prop_map(|fingerprint| Step::Claim { fingerprint }),
        3 => any::<usize>().prop_map(Step::Complete),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => any::<usize>().prop_map(Step::Vanish),
        3 => (1..20_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What should be known of a key.
#[derive(Clone, Copy)]
enum Model {
    Nothing,
    Claimed { by: usize, fingerprint: u8, until: u64 },
    Answered { fingerprint: u8 },
}

impl Model {
    fn expected(self, asked: u8, now: u64) -> &'static str {
        match self {
            Self::Nothing => "fresh",
            Self::Claimed { fingerprint, .. } | Self::Answered { fingerprint }
                if fingerprint != asked =>
            {
                "reused"
            }
            Self::Claimed { until, .. } if until <= now => "fresh",
            Self::Claimed { .. } => "in progress",
            Self::Answered { .. } => "answered",
        }
    }

    fn is_held_by(self, number: usize) -> bool {
        matches!(self, Self::Claimed { by, .. } if by == number)
    }
}

/// Takes the steps with a key of its own, and holds each outcome against the model.
async fn follow(keeper: &Keeper, key: u8, steps: &[Step]) {
    let mut model = Model::Nothing;
    let mut attempts: BTreeMap<usize, (Box<dyn Attempt>, u8)> = BTreeMap::new();
    let (mut now, mut effects, db) = (0, 0, keeper.db().clone());
    for (number, step) in steps.iter().enumerate() {
        let taken = |attempts: &mut BTreeMap<usize, _>, at: usize| {
            let chosen = attempts.keys().nth(at % attempts.len().max(1)).copied()?;
            attempts.remove(&chosen).map(|(attempt, fingerprint)| (chosen, attempt, fingerprint))
        };
        match *step {
            Step::Wait { seconds } => {
                now += seconds;
                keeper.clock.advance(Duration::from_secs(seconds));
            }
            Step::Claim { fingerprint } => {
                let claim = keeper.claim(request(key, fingerprint)).await;
                assert_eq!(name(&claim), model.expected(fingerprint, now), "step {number}");
                if let Claim::Fresh(attempt) = claim {
                    model =
                        Model::Claimed { by: number, fingerprint, until: now + LEASE.as_secs() };
                    attempts.insert(number, (attempt, fingerprint));
                }
            }
            Step::Complete(at) => {
                let Some((by, mut attempt, fingerprint)) = taken(&mut attempts, at) else {
                    continue;
                };
                let id = i64::from(key) * 1000 + number as i64;
                within(&mut attempt, async { add(&db, id).await.expect("the id is new") }).await;
                let completed = attempt.complete(answer()).await.expect("the store answers");
                let is_kept = completed == Completion::Kept;
                assert_eq!(is_kept, model.is_held_by(by), "step {number}");
                if is_kept {
                    model = Model::Answered { fingerprint };
                    effects += 1;
                }
            }
            Step::GiveUp(at) => {
                let Some((by, attempt, _)) = taken(&mut attempts, at) else { continue };
                attempt.give_up().await;
                if model.is_held_by(by) {
                    model = Model::Nothing;
                }
            }
            // It has written nothing yet, so only its claim is left.
            Step::Vanish(at) => drop(taken(&mut attempts, at).map(std::mem::forget)),
        }
    }
    let low = i64::from(key) * 1000;
    let ids = keeper.fixture.ids().await;
    let kept = ids.iter().filter(|id| (low..low + 1000).contains(id)).count();
    assert_eq!((kept, kept <= 1), (effects, true), "one effect at most, and each that was told");
}

#[test]
fn whatever_happens_a_key_has_one_effect_and_its_claims_follow_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let keeper = runtime.block_on(Keeper::new());
    let next = AtomicU8::new(0);
    let config = ProptestConfig { cases: 100, max_shrink_iters: 100, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..25), |steps| {
            let key = next.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(follow(&keeper, key, &steps));
            Ok(())
        })
        .expect("the store follows the model");
}
