//! What clients are told when the service cannot do what they ask. Each name states the promise.

use std::time::Duration;

use accounts::Accounts;
use mainstay::passwords::{PasswordCost, PasswordOptions};
use mainstay_testing::{Call, Engine, Reply, TestApp, TestOptions};
use serde_json::Value;

use crate::support::{
    PASSWORD, Person, assert_outcome, log_in_with, options, registration, start, until,
};

/// Asserts a refusal that invites to try again.
pub(crate) fn check(reply: &Reply, code: &str, case: &str) {
    assert_outcome(reply, 503, code, case);
    let wait: u64 = reply.header("retry-after").parse().expect("whole seconds");
    assert!((1..=5).contains(&wait), "{case}: {wait}");
    assert_eq!(reply.json()["retry_after_ms"], wait * 1000, "{case}");
}

async fn ready(app: &TestApp) -> u16 {
    app.ops("/readyz").send().await.status.as_u16()
}

/// Sends calls at the same time.
async fn together(calls: impl IntoIterator<Item = Call>) -> Vec<Reply> {
    let sent: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.send())).collect();
    let mut replies = Vec::new();
    for reply in sent {
        replies.push(reply.await.expect("no panic"));
    }
    replies
}

/// The request line of an answer.
fn line_of(app: &TestApp, reply: &Reply) -> Value {
    let id = reply.header("x-request-id");
    let lines = app.log().lines();
    lines.into_iter().find(|line| line["id"] == id).expect("every request has a line")
}

#[tokio::test]
async fn a_locked_database_refuses_writes_and_answers_reads() {
    let options = options().with("MAINSTAY_DATABASE__BUSY_TIMEOUT_MS", "50");
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let refused = registration(&app, "bob@example.com").send().await;
    check(&refused, "STORE_UNAVAILABLE", "a write");
    check(&log_in_with(&app, &ada.email, PASSWORD).send().await, "STORE_UNAVAILABLE", "a log-in");
    let read = app.get("/me").bearer(&ada.token).send().await;
    assert_outcome(&read, 200, "", "a read");
    assert_eq!(ready(&app).await, 200, "busy is not broken");
    let line = line_of(&app, &refused);
    assert_eq!((&line["level"], &line["code"]), (&"error".into(), &"STORE_UNAVAILABLE".into()));
    let reason = match app.database().engine() {
        Engine::Sqlite => "lock",
        Engine::Postgres => "took too long",
    };
    assert!(line["cause"].as_str().is_some_and(|cause| cause.contains(reason)), "{line}");

    neighbour.unlock();
    let kept = registration(&app, "bob@example.com").send().await;
    assert_outcome(&kept, 201, "", "the refused write was not made, and can be");
}

#[tokio::test]
async fn operators_are_told_who_holds_the_connections() {
    let app = start().await;
    let told = async || app.ops("/connections").send().await.json();
    if app.database().engine() == Engine::Sqlite {
        assert_eq!(told().await, serde_json::json!({ "engine": "sqlite" }));
        return;
    }
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let waiting = tokio::spawn(registration(&app, "bob@example.com").send());
    let holder = until("the write waits on a connection of its own", async || {
        told().await["connections"]["holders"].as_array()?.first().cloned()
    });
    let holder = holder.await;
    assert_eq!((&holder["name"], &holder["connections"]), (&"POST /users".into(), &1.into()));
    neighbour.unlock();
    assert_outcome(&waiting.await.expect("no panic"), 201, "", "it was only waiting");
    assert_eq!(told().await["connections"]["holders"], serde_json::json!([]));
    assert_eq!(app.get("/connections").send().await.status.as_u16(), 404, "not for everybody");
}

#[tokio::test]
async fn a_write_that_was_given_up_at_its_deadline_is_not_made_later() {
    let app = start().await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let call = registration(&app, "bob@example.com").header("request-timeout", "0.1");
    assert_outcome(&call.send().await, 504, "DEADLINE_EXCEEDED", "behind a lock");
    neighbour.unlock();
    // On SQLite writes keep their order, so once this one is made the one before has had its turn.
    // PostgreSQL was told to forget it.
    assert_outcome(&registration(&app, "eve@example.com").send().await, 201, "", "the next");
    assert_eq!(neighbour.number("SELECT count(*) FROM users"), 1);
}

#[tokio::test]
async fn a_full_queue_of_passwords_refuses_log_ins_and_nothing_else() {
    let passwords =
        PasswordOptions { cost: PasswordCost::RECOMMENDED, concurrency: 1, queue_max: 0 };
    let app = TestApp::start_with::<Accounts>(options().with_passwords(passwords)).await;
    let ada = Person::join(&app, "ada").await;
    let refused = until("a refusal", async || {
        let calls = (0..8).map(|_| log_in_with(&app, &ada.email, PASSWORD));
        let (sent, read) = tokio::join!(together(calls), app.get("/me").bearer(&ada.token).send());
        assert_outcome(&read, 200, "", "meanwhile");
        assert!(sent.iter().all(|reply| reply.status == 201 || reply.code() == "OVERLOADED"));
        sent.into_iter().find(|reply| reply.status != 201)
    });
    check(&refused.await, "OVERLOADED", "a log-in too many");
    assert_outcome(&log_in_with(&app, &ada.email, PASSWORD).send().await, 201, "", "later");
}

#[tokio::test]
async fn a_broken_schema_is_an_internal_error_that_tells_clients_nothing() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    app.neighbour().run("DROP TABLE sessions");
    for call in [app.get("/me").bearer(&ada.token), log_in_with(&app, &ada.email, PASSWORD)] {
        let reply = call.send().await;
        assert_outcome(&reply, 500, "INTERNAL", "without the table");
        let answer = String::from_utf8_lossy(&reply.body).to_lowercase();
        for word in ["sessions", "table", "sql", "select", "insert"] {
            assert!(!answer.contains(word), "{word} in {answer}");
        }
        let line = line_of(&app, &reply);
        let cause = line["cause"].as_str().expect("a cause");
        assert!(cause.contains("sessions"), "the log names the statement: {cause}");
    }
    let other = registration(&app, "bob@example.com").send().await;
    assert_outcome(&other, 201, "", "what needs no sessions");
    assert_eq!(app.ops("/livez").send().await.status, 200, "a restart would not help");
}

#[tokio::test]
async fn a_service_that_stops_finishes_what_it_has_begun() {
    let app = TestApp::start_with::<Accounts>(TestOptions::new()).await;
    let ops = app.instance().ops_address();
    assert_eq!(ready(&app).await, 200);
    let mut wire = app.wire().await;
    let body = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let length = body.len();
    let headers = format!("Host: a\r\nContent-Type: application/json\r\nContent-Length: {length}");
    wire.send(format!("POST /users HTTP/1.1\r\n{headers}\r\n\r\n{}", &body[..9])).await;
    // The head has been read once the answer to a later request is here.
    assert_eq!(app.get("/openapi.json").send().await.status, 200);
    let stopping = tokio::spawn(app.stop());
    let unready = until("readiness ends", async || {
        let reply = Call::new(ops, "GET".parse().expect("a method"), "/readyz").send().await;
        (reply.status != 200).then_some(reply)
    });
    assert_outcome(&unready.await, 503, "NOT_READY", "while it stops");
    wire.send(&body[9..]).await;
    let reply = wire.reply().await;
    assert_outcome(&reply, 201, "", "the request in flight");
    assert_eq!(reply.header("connection"), "close");
    let stopped = tokio::time::timeout(Duration::from_secs(20), stopping).await;
    let (drained, _folder) = stopped.expect("soon").expect("no panic");
    assert!(drained.completed, "{drained:?}");
}
