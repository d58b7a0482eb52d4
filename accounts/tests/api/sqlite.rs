//! What only the embedded engine promises: one writer, and one file. It runs on SQLite
//! whichever engine the run of the tests is about.

use accounts::Accounts;
use mainstay_testing::{Engine, TestApp};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    crash::{ADMIN, Acknowledged, check, log_in},
    degraded::check as check_refusal,
    process::{Service, run_in},
    support::{PASSWORD, Person, assert_outcome, options, outcome, registration, until},
};

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = ["admin", "create", "--email", ADMIN];
    assert_eq!(run_in(folder.path(), &create, &[], PASSWORD).code, Some(0));
    assert!(folder.path().join("data/accounts.db").exists(), "the default of a configuration");
    // No file may grow beyond 512 blocks, and the signal that would end the process is ignored.
    let service = Service::start_after(folder.path(), "trap '' XFSZ; ulimit -S -f 512").await;
    let token = log_in(&service).await;
    let acknowledged = Acknowledged::default();
    let refused = until("the disk is full", async || {
        let n = acknowledged.users().len();
        let body = json!({ "email": format!("user{n}@example.com"), "name": "Ada" });
        let reply = service.call("POST", "/users").json(&body).send().await;
        (!acknowledged.note(&reply)).then_some(reply)
    });
    assert_outcome(&refused.await, 503, "STORE_UNAVAILABLE", "a write without room");
    assert_eq!(service.ops("/livez").send().await.status, 200);
    let users = acknowledged.users();
    assert!(!users.is_empty());
    for user in &users {
        check(&service, &token, user).await;
    }
    assert_eq!(service.ops("/readyz").send().await.status, 200, "reads are worth a request");
    service.make_room();
    let later = json!({ "email": "later@example.com", "name": "Ada" });
    let later = service.call("POST", "/users").json(&later).send().await;
    assert_outcome(&later, 201, "", "a write, now that there is room");
    service.kill();
    let service = Service::start(folder.path(), &[]).await;
    for user in &users {
        check(&service, &token, user).await;
    }
}

#[tokio::test]
async fn a_full_queue_of_writes_refuses_at_once_and_answers_reads() {
    let options = options().on(Engine::Sqlite).with("MAINSTAY_DATABASE__WRITE_QUEUE_MAX", "1");
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let mut sent = JoinSet::new();
    for n in 0..8 {
        sent.spawn(registration(&app, &format!("u{n}@example.com")).send());
    }
    // One at most is with the writer and one in the queue.
    for _ in 0..6 {
        let refused = sent.join_next().await.expect("eight were sent").expect("no panic");
        check_refusal(&refused, "STORE_OVERLOADED", "a write too many");
    }
    assert_outcome(&app.get("/me").bearer(&ada.token).send().await, 200, "", "a read");

    neighbour.unlock();
    let mut made = 0;
    for reply in sent.join_all().await {
        match outcome(&reply) {
            (201, _) => made += 1,
            _ => check_refusal(&reply, "STORE_OVERLOADED", "one that waited too long"),
        }
    }
    assert_eq!(neighbour.number("SELECT count(*) FROM users WHERE email LIKE 'u%'"), made);
    assert_outcome(&registration(&app, "late@example.com").send().await, 201, "", "later");
}
