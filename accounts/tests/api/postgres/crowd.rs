//! More callers at once than the pool has connections, on a database that is slow.

use std::time::{Duration, Instant};

use accounts::Accounts;
use mainstay_testing::{Call, Engine, Reply, TestApp};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    degraded::check,
    support::{Person, assert_outcome, options},
};

const CALLERS: usize = 200;
const CONNECTIONS: usize = 5;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends a call so many times at once; each answer comes with the time it took.
fn together(call: &Call) -> JoinSet<(Reply, Duration)> {
    let send = |call: Call| async move {
        let begun = Instant::now();
        (call.send().await, begun.elapsed())
    };
    (0..CALLERS).map(|_| send(call.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_callers_of_five_connections_are_all_told_in_time() {
    let options = options()
        .on(Engine::Postgres)
        .with("MAINSTAY_POOL__SIZE_MAX", &CONNECTIONS.to_string())
        .with("MAINSTAY_POOL__ACQUIRE_TIMEOUT_MS", &ACQUIRE_TIMEOUT.as_millis().to_string())
        .with("MAINSTAY_DATABASE__BUSY_TIMEOUT_MS", "5000");
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    // A transaction each, which waits for this lock as soon as it has begun.
    let body = json!({ "name": "deploy", "scopes": ["users:read"] });
    let call = app.post("/keys").bearer(&ada.token).json(&body);
    // What it takes so many to be heard and to be known, which comes before the transaction.
    let mut heard = Duration::ZERO;
    for (known, took) in together(&app.get("/me").bearer(&ada.token)).join_all().await {
        assert_outcome(&known, 200, "", "who asks for nothing else");
        heard = heard.max(took);
    }
    let neighbour = app.neighbour();
    neighbour.lock("keys");
    let mut callers = together(&call);
    for _ in CONNECTIONS..CALLERS {
        let (refused, took) = callers.join_next().await.expect("all were sent").expect("no panic");
        check(&refused, "STORE_OVERLOADED", "without a connection");
        assert!(took < heard + ACQUIRE_TIMEOUT.mul_f64(1.1), "{took:?}, {heard:?}");
    }
    neighbour.unlock();
    for (made, _) in callers.join_all().await {
        assert_outcome(&made, 201, "", "with a connection, and now the lock");
    }
    assert_eq!(neighbour.number("SELECT count(*) FROM keys"), CONNECTIONS as i64);
    assert_outcome(&call.send().await, 201, "", "later");
}
