//! `Idempotency-Key` at `POST /users`, and at `POST /flags`: one effect and one answer, whatever
//! happens on the way.

use std::{collections::BTreeSet, time::Duration};

use accounts::Accounts;
use mainstay_testing::{Call, Engine, Reply, TestApp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::support::{Person, assert_outcome, options, registration, start, until};

fn keyed(app: &TestApp, key: &str, email: &str) -> Call {
    registration(app, email).header("idempotency-key", key)
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == "true"
}

/// What has to be the same in every repetition.
fn kept(reply: &Reply) -> (u16, String, String, String) {
    let header = |name| reply.header(name).to_owned();
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    (reply.status.as_u16(), header("location"), header("content-type"), body)
}

fn users(app: &TestApp) -> i64 {
    app.neighbour().number("SELECT count(*) FROM users")
}

fn rows(app: &TestApp) -> i64 {
    app.neighbour().number("SELECT count(*) FROM mainstay_idempotency")
}

#[tokio::test]
async fn a_repetition_is_answered_with_the_same_bytes_and_registers_nobody() {
    let app = start().await;
    let first = keyed(&app, "one", "ada@example.com").send().await;
    assert_outcome(&first, 201, "", "the first");
    assert!(!is_replayed(&first));
    for key in ["one", "\"one\""] {
        let again = keyed(&app, key, "ada@example.com").send().await;
        assert!(is_replayed(&again), "{again:?}");
        assert_eq!(kept(&again), kept(&first));
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    }
    assert_eq!(users(&app), 1);
    let lines = app.log().lines();
    let lines: Vec<_> = lines.iter().filter(|line| line["route"] == "/users").collect();
    let replayed: Vec<_> = lines.iter().map(|line| line["replayed"] == true).collect();
    assert_eq!(replayed, [false, true, true]);
}

#[tokio::test]
async fn a_refusal_of_the_module_is_an_answer_too() {
    let app = start().await;
    assert_outcome(&registration(&app, "ada@example.com").send().await, 201, "", "Ada");
    let first = keyed(&app, "one", "ada@example.com").send().await;
    assert_outcome(&first, 409, "EMAIL_TAKEN", "the first");
    app.neighbour().run("DELETE FROM users");
    let again = keyed(&app, "one", "ada@example.com").send().await;
    assert!(is_replayed(&again));
    assert_eq!(kept(&again), kept(&first), "the request id of the body included");
    let other = keyed(&app, "two", "ada@example.com").send().await;
    assert_outcome(&other, 201, "", "another key is another request");
}

#[tokio::test]
async fn what_was_refused_before_it_began_may_be_corrected_under_its_key() {
    let app = start().await;
    let send = |body: Value| app.post("/users").header("idempotency-key", "one").json(&body).send();
    let bad = send(json!({ "email": "ada", "name": "Ada" })).await;
    assert_outcome(&bad, 422, "VALIDATION_FAILED", "a bad address");
    assert_eq!(rows(&app), 0, "nothing is kept of it");
    let malformed = app.post("/users").header("idempotency-key", "one");
    let malformed = malformed.body("application/json", "{").send().await;
    assert_outcome(&malformed, 400, "MALFORMED_JSON", "half a body");
    let good = send(json!({ "email": "ada@example.com", "name": "Ada" })).await;
    assert_outcome(&good, 201, "", "the corrected one");
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let app = start().await;
    assert_outcome(&keyed(&app, "one", "ada@example.com").send().await, 201, "", "the first");
    let other = keyed(&app, "one", "bob@example.com").send().await;
    assert_outcome(&other, 422, "IDEMPOTENCY_KEY_REUSED", "another body");
    let bytes = r#"{"name":"Ada", "email":"ada@example.com"}"#;
    let spaced = app.post("/users").header("idempotency-key", "one");
    let spaced = spaced.body("application/json", bytes).send().await;
    assert_outcome(&spaced, 422, "IDEMPOTENCY_KEY_REUSED", "other bytes");
    assert_eq!(users(&app), 1);
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let app = start().await;
    let long = "k".repeat(256);
    for bad in ["\"", "\"\"", "a b", &long] {
        let reply = keyed(&app, bad, "ada@example.com").send().await;
        assert_outcome(&reply, 400, "IDEMPOTENCY_KEY_INVALID", bad);
    }
    let twice = keyed(&app, "one", "ada@example.com").header("idempotency-key", "one");
    assert_outcome(&twice.send().await, 400, "IDEMPOTENCY_KEY_INVALID", "two keys");
    assert_eq!(users(&app), 0);
}

/// Makes of an answered request one whose process was killed before its answer.
fn leave_claimed(app: &TestApp) {
    app.neighbour().run("UPDATE mainstay_idempotency SET status = NULL");
}

#[tokio::test]
async fn a_request_that_somebody_is_at_waits_and_is_told_to_come_again() {
    let app = start().await;
    assert_outcome(&keyed(&app, "one", "ada@example.com").send().await, 201, "", "the first");
    app.neighbour().run("DELETE FROM users");
    leave_claimed(&app);
    let again = || keyed(&app, "one", "ada@example.com").header("request-timeout", "0.3").send();
    let reply = again().await;
    assert_outcome(&reply, 409, "IDEMPOTENCY_IN_PROGRESS", "while it is claimed");
    assert_eq!(reply.header("retry-after"), "1");
    let other = keyed(&app, "one", "bob@example.com").send().await;
    assert_outcome(&other, 422, "IDEMPOTENCY_KEY_REUSED", "another body meanwhile");
    app.advance(Duration::from_secs(16));
    assert_outcome(&again().await, 201, "", "once the lease is over");
    assert_eq!(users(&app), 1);
}

#[tokio::test]
async fn a_flag_is_made_once_for_a_key() {
    let app = start().await;
    let root = Person::join_as_admin(&app, "root").await;
    let flag = json!({ "key": "checkout", "enabled": true });
    let create = || {
        let call = app.post("/flags").bearer(&root.token).header("idempotency-key", "one");
        call.header("request-timeout", "0.3").json(&flag).send()
    };
    let flags = || app.neighbour().number("SELECT count(*) FROM flags");
    let first = create().await;
    assert_outcome(&first, 201, "", "the first");
    let again = create().await;
    assert!(is_replayed(&again), "{again:?}");
    assert_eq!((kept(&again), again.header("etag")), (kept(&first), first.header("etag")));
    assert_eq!(app.neighbour().number("SELECT count(*) FROM flag_changes"), 1);

    app.neighbour().run("DELETE FROM flags");
    leave_claimed(&app);
    assert_outcome(&create().await, 409, "IDEMPOTENCY_IN_PROGRESS", "while it is claimed");
    assert_eq!(flags(), 0);
    app.advance(Duration::from_secs(16));
    assert_outcome(&create().await, 201, "", "once the lease is over");
    assert_eq!(flags(), 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let app = start().await;
    assert_outcome(&keyed(&app, "one", "ada@example.com").send().await, 201, "", "the first");
    app.advance(Duration::from_hours(23));
    assert!(is_replayed(&keyed(&app, "one", "ada@example.com").send().await));
    app.advance(Duration::from_hours(2));
    let reply = keyed(&app, "one", "bob@example.com").send().await;
    assert_outcome(&reply, 201, "", "another request, the day after");
}

#[tokio::test]
async fn old_rows_are_removed() {
    let app = start().await;
    for n in 0..5 {
        let reply = keyed(&app, &format!("old{n}"), &format!("old{n}@example.com")).send().await;
        assert_outcome(&reply, 201, "", "an old one");
    }
    app.advance(Duration::from_hours(25));
    let gone = until("the old ones are gone", async || {
        let n = users(&app);
        keyed(&app, &format!("new{n}"), &format!("new{n}@example.com")).send().await;
        (users(&app) - rows(&app) == 5).then_some(())
    });
    gone.await;
}

/// Sends every key so many times, all at the same time, to the services in turn. A refusal that
/// says to come again is tried again.
async fn storm(apps: &[&TestApp], keys: usize, times: usize) -> Vec<Vec<Reply>> {
    let mut sent = JoinSet::new();
    for n in 0..keys * times {
        let key = n % keys;
        let app = apps[n / keys % apps.len()];
        let call = keyed(app, &format!("key-{key}"), &format!("user{key}@example.com"))
            .header("request-timeout", "4");
        sent.spawn(async move {
            loop {
                let reply = call.clone().send().await;
                if reply.header("retry-after").is_empty() && reply.status != 504 {
                    return (key, reply);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let mut replies = vec![Vec::new(); keys];
    loop {
        match tokio::time::timeout(Duration::from_secs(5), sent.join_next()).await {
            Ok(None) => return replies,
            Ok(Some(done)) => {
                let (key, reply) = done.expect("no panic");
                replies[key].push(reply);
            }
            // The clock stands still, so what nobody could give up would be claimed for ever.
            Err(_) => apps.iter().for_each(|app| app.advance(Duration::from_secs(16))),
        }
    }
}

fn assert_one_effect(app: &TestApp, replies: &[Vec<Reply>]) {
    for replies in replies {
        let answers: BTreeSet<_> = replies.iter().map(kept).collect();
        assert_eq!(answers.len(), 1, "one answer for each key: {answers:?}");
        assert_outcome(&replies[0], 201, "", "and it is the user");
        let first = replies.iter().filter(|reply| !is_replayed(reply)).count();
        assert!(first <= 1, "one of them was the first, unless its answer was lost");
    }
    assert_eq!(users(app), replies.len() as i64, "one user for each key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_any_number_at_the_same_time_one_has_the_effect() {
    let app = start().await;
    let replies = storm(&[&app], 40, 25).await;
    assert_one_effect(&app, &replies);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_at_one_database_are_one() {
    let one = start().await;
    let url = one.database().url();
    let two = TestApp::start_with::<Accounts>(options().with("DATABASE_URL", url)).await;
    let replies = storm(&[&one, &two], 20, 10).await;
    assert_one_effect(&one, &replies);
}

#[test]
fn the_table_is_the_one_that_the_store_asks_for() {
    let migration = include_str!("../../migrations/0006_idempotency.sql");
    assert_eq!(migration, mainstay::store::Idempotency::TABLE);
}

#[tokio::test]
async fn nothing_of_the_request_can_be_read_from_its_row_and_the_key_is_in_no_line() {
    let app = start().await;
    let (key, password) = ("a-key-that-nobody-else-has", "correct horse battery");
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": password });
    let send = || app.post("/users").header("idempotency-key", key).json(&body).send();
    let first = send().await;
    assert_outcome(&first, 201, "", "the first");
    assert!(is_replayed(&send().await));
    let log = app.log().text();
    for secret in [key, password, "ada@example.com"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    // The hash of a body that holds a password would be quicker to guess from than the password's.
    let hash = Sha256::digest(body.to_string());
    let hex = hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let text = match app.database().engine() {
        Engine::Sqlite => "hex(fingerprint)",
        Engine::Postgres | Engine::PgBouncer => "encode(fingerprint, 'hex')",
    };
    let found = format!("SELECT count(*) FROM mainstay_idempotency WHERE lower({text}) = '{hex}'");
    assert_eq!(app.neighbour().number(&found), 0);
}
