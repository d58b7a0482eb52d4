//! Ends that nobody has planned, and one that somebody has: what was acknowledged is kept.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use mainstay_testing::{Call, Reply};
use serde_json::{Value, json};

use crate::{
    process::{Service, run_in},
    support::{PASSWORD, assert_outcome, text, until},
};

const ADMIN: &str = "root@example.com";

/// Connections that write at the same time.
const WRITERS: usize = 4;

/// Acknowledged writes between a start and a kill: enough for every writer to be in the middle of
/// something.
const WRITES: usize = 60;

fn create_admin(folder: &Path) {
    let created = run_in(folder, &["admin", "create", "--email", ADMIN], &[], PASSWORD);
    assert_eq!(created.code, Some(0), "{}", created.stderr);
}

async fn log_in(service: &Service) -> String {
    let body = json!({ "email": ADMIN, "password": PASSWORD });
    text(&service.call("POST", "/sessions").json(&body).send().await.json()["token"])
}

/// Asserts that a user is as it was acknowledged.
async fn check(service: &Service, token: &str, user: &Value) {
    let path = format!("/users/{}", text(&user["id"]));
    let reply = service.call("GET", &path).bearer(token).send().await;
    assert_outcome(&reply, 200, "", &path);
    assert_eq!(reply.json(), *user);
}

/// What the service has said it keeps.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<Value>>>);

impl Acknowledged {
    fn users(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what an answer acknowledges; false for a refusal.
    fn note(&self, reply: &Reply) -> bool {
        if reply.status != 201 {
            return false;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(reply.json());
        true
    }

    /// Registers one user after the other until the service is gone.
    async fn write(self, call: Call, writer: String) {
        for n in 0.. {
            let body = json!({ "email": format!("{writer}-{n}@example.com"), "name": "Ada" });
            match call.clone().json(&body).attempt().await {
                Some(reply) => assert!(self.note(&reply), "{:?}", reply.body),
                None => return,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    create_admin(folder.path());
    let acknowledged = Acknowledged::default();
    let mut token = String::new();
    for round in 0..3 {
        let service = Service::start(folder.path(), &[]).await;
        if round == 0 {
            token = log_in(&service).await;
        }
        let before = acknowledged.users().len();
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let call = service.call("POST", "/users");
                tokio::spawn(acknowledged.clone().write(call, format!("round{round}-writer{n}")))
            })
            .collect();
        let enough = async || (acknowledged.users().len() >= before + WRITES).then_some(());
        until("enough writes", enough).await;
        service.kill();
        for writer in writers {
            writer.await.expect("a writer only ever sees 201 or a cut");
        }
    }
    let service = Service::start(folder.path(), &[]).await;
    assert_eq!(service.ops("/readyz").send().await.status, 200);
    let users = acknowledged.users();
    for user in &users {
        check(&service, &token, user).await;
    }
    assert!(users.len() >= 3 * WRITES);
}

/// The first part of a registration on the wire, and the rest of it.
fn two_parts() -> (String, &'static str) {
    let body = r#"{"email":"ada@example.com","name":"Ada"}"#;
    let (start, rest) = body.split_at(9);
    let length = body.len();
    let headers = format!("Host: a\r\nContent-Type: application/json\r\nContent-Length: {length}");
    (format!("POST /users HTTP/1.1\r\n{headers}\r\n\r\n{start}"), rest)
}

#[tokio::test]
async fn sigterm_lets_the_request_in_flight_finish() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut service = Service::start(folder.path(), &[]).await;
    let (start, rest) = two_parts();
    let mut wire = service.wire().await;
    wire.send(start).await;
    // Connections are accepted in order, so the first one is when a second has an answer.
    assert_eq!(service.call("GET", "/docs").send().await.status, 200);
    service.terminate();
    let unready = until("readiness ends", async || {
        let reply = service.ops("/readyz").send().await;
        (reply.status != 200).then_some(reply)
    });
    assert_outcome(&unready.await, 503, "NOT_READY", "while it drains");
    wire.send(rest).await;
    assert_outcome(&wire.reply().await, 201, "", "the request in flight");
    drop(wire);
    assert_eq!(service.ended().await, Some(0));
    let output = service.output();
    let last = output.lines().last().expect("a last line");
    assert!(last.contains("\"msg\":\"stopped\"") && last.contains("\"completed\":true"), "{last}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    create_admin(folder.path());
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
