//! A Redis that fails in every way while clients read and write: they do not notice, and it is used
//! again soon after it is back.

use std::time::{Duration, Instant};

use accounts::Accounts;
use mainstay_testing::{Engine, Memory, PrivateRedis, TestApp};
use tokio::{task::block_in_place, time::sleep};

use crate::{
    load::{Answer, Clients},
    support::{assert_outcome, options, registration, until},
};

/// How long after its return Redis is asked again.
const RECOVERY_MAX: Duration = Duration::from_secs(3);

/// How long a fault lasts: the clients have a hundred turns.
const A_WHILE: Duration = Duration::from_secs(2);

/// The longest an answer may take: less than one that waited for Redis and its usual limits in a
/// row would, and enough for two cores that other tests share.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Scripts are what limits and caches ask with.
fn asked(redis: &PrivateRedis) -> u64 {
    block_in_place(|| redis.calls("evalsha"))
}

/// Holds the service to its promise while `fault` happens and is over.
async fn check(fault: impl AsyncFnOnce(&PrivateRedis)) {
    let redis = block_in_place(|| PrivateRedis::start(Memory::Lost)).expect("starts");
    let options = options().on(Engine::Postgres).with("REDIS_URL", &redis.url());
    let app = TestApp::start_with::<Accounts>(options).await;
    let clients = Clients::start(&app).await;
    clients.are_served().await;
    assert!(asked(&redis) > 0, "it is used");

    fault(&redis).await;
    let (over, before) = (Instant::now(), asked(&redis));
    until("it is used again", async || (asked(&redis) > before).then_some(())).await;
    let recovery = over.elapsed();
    clients.are_served().await;
    let answers = clients.stop().await;

    assert!(recovery < RECOVERY_MAX, "{recovery:?}");
    let is_bad = |answer: &&Answer| !answer.is_normal() || answer.took > WAIT_MAX;
    let bad: Vec<_> = answers.iter().filter(is_bad).collect();
    let (all, count) = (answers.len(), bad.len());
    assert!(count * 1000 <= all, "{count} of {all} answers: {:#?}", &bad[..count.min(5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_redis_was_killed_and_has_forgotten_everything() {
    check(async |redis| {
        block_in_place(|| redis.crash()).expect("ends");
        sleep(A_WHILE).await;
        block_in_place(|| redis.start_again()).expect("starts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_redis_restarts_ten_times() {
    check(async |redis| {
        for _ in 0..10 {
            block_in_place(|| redis.crash()).expect("ends");
            block_in_place(|| redis.start_again()).expect("starts");
            sleep(A_WHILE / 10).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_redis_stalls() {
    check(async |redis| {
        block_in_place(|| redis.ask(&["DEBUG", "SLEEP", "2"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_redis_is_full() {
    check(async |redis| {
        block_in_place(|| redis.ask(&["CONFIG", "SET", "maxmemory", "1"]));
        sleep(A_WHILE).await;
        block_in_place(|| redis.ask(&["CONFIG", "SET", "maxmemory", "0"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_starts_while_redis_is_away() {
    let redis = block_in_place(|| PrivateRedis::start(Memory::Lost)).expect("starts");
    block_in_place(|| redis.crash()).expect("ends");
    let options = options().on(Engine::Postgres).with("REDIS_URL", &redis.url());
    let app = TestApp::start_with::<Accounts>(options).await;
    assert_eq!(app.ops("/readyz").send().await.status, 200, "it is not needed");
    let joined = registration(&app, "ada@example.com").send().await;
    assert_outcome(&joined, 201, "", "what is not closed");
    block_in_place(|| redis.start_again()).expect("starts");
    let ask = async || {
        app.get("/docs").send().await;
        (asked(&redis) > 0).then_some(())
    };
    until("it is used", ask).await;
    let clients = Clients::start(&app).await;
    clients.are_served().await;
    assert!(clients.stop().await.iter().all(Answer::is_normal));
}
