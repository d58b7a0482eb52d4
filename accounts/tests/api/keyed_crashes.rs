//! Requests with a key, and processes that are killed, connections that are cut and servers that
//! are shared on the way: a client that repeats itself gets one effect and one answer.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use mainstay_testing::{Call, Reply};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    process::{Home, Service},
    support::{assert_outcome, outcome},
};

/// Requests under way when the process is killed: enough that some are claimed, some are in their
/// transaction and some are answered.
const KEYS: usize = 12;

/// Moments at which it is killed, spread over what the requests of a round take.
const ROUNDS: u64 = 12;

/// What a request that is killed has to do its work.
const DEADLINE: Duration = Duration::from_secs(3);

/// Its claim lasts 5 s longer. A second later nobody waits for it: with the default deadline that
/// is 16 s after the kill.
const WEDGED_MAX: Duration = DEADLINE.saturating_add(Duration::from_secs(6));

fn keyed(service: &Service, key: &str) -> Call {
    let body = json!({ "email": format!("{key}@example.com"), "name": "Ada" });
    let call = service.call("POST", "/users").header("idempotency-key", key).json(&body);
    call.header("request-timeout", &DEADLINE.as_secs().to_string())
}

/// What has to be the same in every answer.
fn kept(reply: &Reply) -> (u16, String, String) {
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    (reply.status.as_u16(), reply.header("location").to_owned(), body)
}

/// Repeats a request until it has an answer for good; panics when that takes longer than a lease.
/// Who waits until shortly before its deadline may get the claim too late to be done: a 504.
async fn insist(call: Call, key: &str) -> Reply {
    let begun = Instant::now();
    loop {
        let reply = call.clone().send().await;
        if reply.header("retry-after").is_empty() && reply.status != 504 {
            return reply;
        }
        assert!(begun.elapsed() < WEDGED_MAX, "{key} is wedged: {:?}", outcome(&reply));
    }
}

fn users(home: &Home) -> i64 {
    home.neighbour().number("SELECT count(*) FROM users")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_repeated_after_kill_9_has_one_effect() {
    let home = Home::new();
    let mut acknowledged = Vec::new();
    let mut keys = Vec::new();
    for round in 0..ROUNDS {
        let service = home.start(&[]).await;
        let mut sent = JoinSet::new();
        for n in 0..KEYS {
            let key = format!("round{round}-{n}");
            let call = keyed(&service, &key);
            keys.push(key.clone());
            sent.spawn(async move { (key, call.attempt().await) });
        }
        // Not to be lucky: to be killed at another moment each time.
        tokio::time::sleep(Duration::from_millis(round * 4)).await;
        service.kill();
        for (key, reply) in sent.join_all().await {
            if let Some(reply) = reply {
                assert_outcome(&reply, 201, "", "an answer before the kill");
                acknowledged.push((key, kept(&reply)));
            }
        }
    }
    let left =
        home.neighbour().number("SELECT count(*) FROM mainstay_idempotency WHERE status IS NULL");
    assert!(left > 0, "the test kills some between claim and answer");
    let service = home.start(&[]).await;
    let mut sent = JoinSet::new();
    for key in keys.clone() {
        let call = keyed(&service, &key);
        sent.spawn(async move {
            let reply = insist(call, &key).await;
            (key, reply)
        });
    }
    let answers = sent.join_all().await;
    for (key, reply) in &answers {
        assert_outcome(reply, 201, "", key);
    }
    for (key, before) in &acknowledged {
        let after = answers.iter().find(|(known, _)| known == key).map(|(_, reply)| kept(reply));
        assert_eq!(after.as_ref(), Some(before), "{key} is answered as before");
    }
    assert_eq!(users(&home), keys.len() as i64, "one user for each key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_connection_is_cut_has_one_effect() {
    let home = Home::new();
    let service = home.start(&[]).await;
    for n in 0..40_u64 {
        let key = format!("cut{n}");
        let body = format!(r#"{{"email":"{key}@example.com","name":"Ada"}}"#);
        let length = body.len();
        let mut wire = service.wire().await;
        wire.send(format!(
            "POST /users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await;
        // From before the claim to after the answer.
        tokio::time::sleep(Duration::from_micros(n * 250)).await;
        drop(wire);
        let call = service.call("POST", "/users").header("idempotency-key", &key);
        let call = call.body("application/json", body);
        let first = insist(call.clone(), &key).await;
        assert_outcome(&first, 201, "", &key);
        assert_eq!(kept(&insist(call, &key).await), kept(&first));
        assert_eq!(users(&home), n as i64 + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_at_one_database_one_has_the_effect() {
    let home = Home::new();
    let services = [home.start(&[]).await, home.start(&[]).await];
    for round in 0..10 {
        let key = format!("shared{round}");
        let mut sent = JoinSet::new();
        for n in 0..10 {
            let (call, key) = (keyed(&services[n % 2], &key), key.clone());
            sent.spawn(async move { insist(call, &key).await });
        }
        let answers: BTreeSet<_> = sent.join_all().await.iter().map(kept).collect();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, ..)| *status == 201), "{answers:?}");
    }
    assert_eq!(users(&home), 10);
}
