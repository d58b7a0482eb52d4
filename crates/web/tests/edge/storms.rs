//! Many identical requests at the same time, some of which go away at any moment: one effect each.
//! Stores that get it wrong must be caught by the same checker, or it is blind.

use std::{collections::BTreeSet, future::Future, pin::pin, sync::Arc, task::Poll};

use mainstay_web::EdgeOptions;

use crate::{
    harness::options,
    memory::{Flaw, Memory},
    shop::{Bench, bench, kept},
};

const KEYS: usize = 40;
const TIMES: usize = 25;

/// Polls `future` at most `polls` times, then drops it.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| match (left, future.as_mut().poll(context)) {
        (_, Poll::Ready(output)) => Poll::Ready(Some(output)),
        (0, Poll::Pending) => Poll::Ready(None),
        (_, Poll::Pending) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// What was wrong with the answers and effects of a storm.
async fn storm(flaw: Flaw) -> Vec<String> {
    let unlimited = EdgeOptions { limit_multiplier: 1000, ..options() };
    let bench = Arc::new(bench(Memory::with(flaw), unlimited));
    let mut sent = Vec::new();
    for n in 0..KEYS * TIMES {
        let bench = bench.clone();
        // Every other one goes away, the first of each key among them.
        let polls = if (n / KEYS).is_multiple_of(2) { n % 7 } else { usize::MAX };
        sent.push(tokio::spawn(async move {
            (n % KEYS, dropped_after(polls, ask(&bench, n % KEYS)).await)
        }));
    }
    let mut answers = vec![BTreeSet::new(); KEYS];
    for sent in sent {
        if let (key, Some(answer)) = sent.await.expect("no panic") {
            answers[key].insert(answer);
        }
    }
    let mut wrong = Vec::new();
    for (key, mut answers) in answers.into_iter().enumerate() {
        answers.insert(ask(&bench, key).await);
        let effects = bench.memory.sold(&format!("thing{key}"));
        if answers.len() != 1 || effects != 1 {
            wrong.push(format!("key {key}: {} answers, {effects} effects", answers.len()));
        }
    }
    wrong
}

async fn ask(bench: &Bench, key: usize) -> (u16, Option<String>, Option<String>, Vec<u8>) {
    kept(&bench.order("good", &format!("key{key}"), &format!("thing{key}")).await)
}

#[tokio::test(start_paused = true)]
async fn every_key_has_one_effect_and_one_answer() {
    let wrong = storm(Flaw::None).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_looks_and_then_claims_is_caught() {
    assert!(!storm(Flaw::LooksThenClaims).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_commits_and_then_records_is_caught() {
    assert!(!storm(Flaw::CommitsThenRecords).await.is_empty());
}
