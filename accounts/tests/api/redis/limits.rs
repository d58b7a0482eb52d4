//! Limits that two processes share, and what is closed while nobody can count.

use accounts::Accounts;
use mainstay_testing::{Engine, FaultProxy, Memory, PrivateRedis, TestApp, TestOptions};
use tokio::task::block_in_place;

use crate::support::{Person, assert_outcome, limited, log_in_with, options, registration, until};

fn redis() -> PrivateRedis {
    block_in_place(|| PrivateRedis::start(Memory::Lost)).expect("starts")
}

async fn start(options: TestOptions, redis: &str) -> TestApp {
    let options = options.on(Engine::Sqlite).with("REDIS_URL", redis);
    TestApp::start_with::<Accounts>(options).await
}

/// Asks for something that no test counts, until Redis is asked about it.
async fn is_used(app: &TestApp, redis: &PrivateRedis) {
    let asked = |redis: &PrivateRedis| block_in_place(|| redis.calls("evalsha"));
    let before = asked(redis);
    until("redis is used", async || {
        app.get("/docs").send().await;
        (asked(redis) > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_log_ins_in_a_minute_are_all_that_two_processes_take() {
    let redis = redis();
    let [here, there] =
        [start(limited(), &redis.url()).await, start(limited(), &redis.url()).await];
    for app in [&here, &there] {
        is_used(app, &redis).await;
    }
    let mut looked_at = 0;
    for attempt in 0..40 {
        let app = if attempt % 2 == 0 { &here } else { &there };
        let email = format!("nobody{attempt}@example.com");
        let reply = log_in_with(app, &email, "not the right one").send().await;
        match reply.code().as_str() {
            "INVALID_CREDENTIALS" => looked_at += 1,
            code => assert_eq!(code, "RATE_LIMITED", "attempt {attempt}"),
        }
    }
    assert_eq!(looked_at, 10);
    let keys = block_in_place(|| redis.ask(&["KEYS", "accounts:limit:sessions.create:*"]));
    assert_eq!(keys.lines().count(), 1, "{keys}");
    assert!(!keys.contains("127.0.0.1") && !keys.contains("7f000001"), "{keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_closed_while_nobody_can_count_is_refused_and_the_rest_goes_on() {
    let redis = redis();
    let proxy = FaultProxy::in_front_of(&redis.url());
    let app = start(options(), &proxy.url()).await;
    is_used(&app, &redis).await;
    let ada = Person::join(&app, "ada").await;
    block_in_place(|| proxy.refuse());
    let log_in = || log_in_with(&app, "ada@example.com", "a password of some length").send();
    let closed = async || Some(log_in().await).filter(|reply| reply.status == 503);
    let refused = until("nobody can count", closed).await;
    assert_outcome(&refused, 503, "OVERLOADED", "a log-in");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"sessions.create\";r=0;t=1");
    let password = app.post("/me/password").bearer(&ada.token).json(&serde_json::json!({}));
    assert_outcome(&password.send().await, 503, "OVERLOADED", "a password");
    let joined = registration(&app, "bob@example.com").send().await;
    assert_outcome(&joined, 201, "", "a registration is local");
    block_in_place(|| proxy.pass());
    let open = async || Some(log_in().await).filter(|reply| reply.status != 503);
    until("it counts again", open).await;
}
