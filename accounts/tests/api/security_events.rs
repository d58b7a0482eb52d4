//! Security events: each trigger leaves its lines, once, with the id of its request.

use std::collections::BTreeMap;

use mainstay::store::{Database, DatabaseOptions, params};
use mainstay_testing::{Call, Reply};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{Service, run_in},
    support::{PASSWORD, assert_outcome, text},
};

/// What is to be logged for each request, by its id.
#[derive(Default)]
struct Expected(BTreeMap<String, (String, Vec<&'static str>)>);

impl Expected {
    /// Sends a call that has to leave exactly these events.
    async fn send(
        &mut self,
        what: &str,
        call: Call,
        status: u16,
        events: &[&'static str],
    ) -> Reply {
        let reply = call.send().await;
        assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.code());
        let mut events = events.to_vec();
        events.sort_unstable();
        self.0.insert(reply.header("x-request-id").to_owned(), (what.to_owned(), events));
        reply
    }

    /// Compares with the log of the whole process.
    fn check(mut self, lines: &[Value]) {
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["target"] == "security") {
            let Some(id) = line["id"].as_str() else { continue };
            assert!(line["trace_id"].is_string(), "{line}");
            found.entry(id.to_owned()).or_default().push(line["msg"].as_str().expect("a word"));
        }
        for (id, (what, events)) in std::mem::take(&mut self.0) {
            let mut logged = found.remove(&id).unwrap_or_default();
            logged.sort_unstable();
            assert_eq!(logged, events, "{what}");
        }
        assert!(found.is_empty(), "events of no request: {found:?}");
    }
}

/// Every line as JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn ended(mut service: Service) -> Vec<Value> {
    service.terminate();
    assert_eq!(service.ended().await, Some(0));
    lines(&service.output())
}

/// Makes every session look as if its time were over.
async fn expire_sessions(folder: &TempDir) {
    let url = format!("sqlite:{}", folder.path().join("data/accounts.db").display());
    let url = url.parse().expect("the address of a file");
    let database = Database::open(&url, &DatabaseOptions::default()).await.expect("opens");
    let update = "UPDATE sessions SET expires_at = created_at + 1";
    assert!(database.execute(update, params![]).await.expect("updates") > 0);
    database.close().await;
}

fn log_in(service: &Service, email: &str, password: &str) -> Call {
    service.call("POST", "/sessions").json(&json!({ "email": email, "password": password }))
}

#[tokio::test]
async fn every_trigger_leaves_its_events_once_whatever_is_filtered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = ["admin", "create", "--email", "root@example.com"];
    assert_eq!(run_in(folder.path(), &create, &[], PASSWORD).code, Some(0));
    let service = Service::start(folder.path(), &[("RUST_LOG", "error,mainstay=info")]).await;
    let mut expected = Expected::default();
    let post =
        |path: &str, token: &str, body: Value| service.call("POST", path).bearer(token).json(&body);

    let (ada, success) = ("ada@example.com", ["authn_login_success", "session_created"]);
    let body = json!({ "email": ada, "name": "Ada", "password": PASSWORD });
    let register = service.call("POST", "/users").json(&body);
    let user = expected.send("a registration", register.clone(), 201, &["user_created"]).await;
    let path = format!("/users/{}", text(&user.json()["id"]));
    expected.send("the same again", register, 409, &[]).await;
    let reply = expected.send("a log-in", log_in(&service, ada, PASSWORD), 201, &success).await;
    let token = text(&reply.json()["token"]);
    let root = log_in(&service, "root@example.com", PASSWORD);
    let reply = expected.send("an administrator's log-in", root, 201, &success).await;
    let root = text(&reply.json()["token"]);

    let wrong = |email| log_in(&service, email, "not the right one");
    for email in [ada, "nobody@example.com"] {
        expected.send("a guess", wrong(email), 401, &["authn_login_fail"]).await;
    }
    for _ in 0..9 {
        expected.send("a guess", wrong(ada), 401, &["authn_login_fail"]).await;
    }
    expected.send("one too many", wrong(ada), 429, &["authn_login_fail_max"]).await;

    let list = |token: &str| service.call("GET", "/users").bearer(token);
    expected.send("a forbidden list", list(&token), 403, &["authz_fail"]).await;
    expected.send("an administrator's list", list(&root), 200, &["authz_admin"]).await;
    expected
        .send(
            "a bad list",
            service.call("GET", "/users?limit=0").bearer(&root),
            422,
            &["authz_admin", "input_validation_fail"],
        )
        .await;
    let patch = |token: &str, body: Value| service.call("PATCH", &path).bearer(token).json(&body);
    expected.send("a change", patch(&token, json!({ "age": 36 })), 200, &["user_updated"]).await;
    expected.send("no change", patch(&token, json!({ "age": 36 })), 200, &[]).await;
    let bad = patch(&token, json!({ "age": 0 }));
    expected.send("a bad change", bad, 422, &["input_validation_fail"]).await;
    let promotion = patch(&root, json!({ "role": "admin" }));
    let events = ["authz_admin", "privilege_permissions_changed", "user_updated"];
    expected.send("a promotion", promotion, 200, &events).await;

    let wanted = json!({ "name": "deploy", "scopes": ["users:read"] });
    let made = post("/keys", &token, wanted);
    let key = expected.send("a key", made, 201, &["authn_token_created"]).await.json();
    let me = |token: &str| service.call("GET", "/me").bearer(token);
    let key_token = text(&key["token"]);
    expected.send("its use", me(&key_token), 200, &[]).await;
    let remove = service.call("DELETE", &format!("/keys/{}", text(&key["id"]))).bearer(&token);
    expected.send("its end", remove, 204, &["authn_token_revoked"]).await;
    expected.send("its use after the end", me(&key_token), 401, &["authn_token_reuse"]).await;
    expected.send("nonsense", me("nonsense"), 401, &[]).await;

    let set = |current: &str| {
        let body = json!({ "current": current, "new": "battery staple correct" });
        post("/me/password", &token, body)
    };
    let failure = ["authn_password_change_fail"];
    expected.send("a wrong change", set("not the right one"), 403, &failure).await;
    expected.send("a change of password", set(PASSWORD), 204, &["authn_password_change"]).await;
    let new = log_in(&service, ada, "battery staple correct");
    let reply = expected.send("a log-in", new.clone(), 201, &success).await;
    let token = text(&reply.json()["token"]);
    let out = service.call("DELETE", "/sessions/current").bearer(&token);
    expected.send("a log-out", out, 204, &["session_logout"]).await;

    let reply = expected.send("a log-in", new.clone(), 201, &success).await;
    expire_sessions(&folder).await;
    let token = text(&reply.json()["token"]);
    expected.send("an old session", me(&token), 401, &["session_use_after_expire"]).await;
    let reply = expected.send("a log-in", new, 201, &success).await;
    let remove = service.call("DELETE", &path).bearer(&text(&reply.json()["token"]));
    expected.send("the end", remove, 204, &["user_deleted"]).await;

    let lines = ended(service).await;
    for word in ["sys_startup", "sys_shutdown"] {
        assert_eq!(lines.iter().filter(|line| line["msg"] == word).count(), 1, "{word}");
    }
    expected.check(&lines);
}

#[tokio::test]
async fn a_lock_and_an_exceeded_limit_are_events() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = [("MAINSTAY_LIMITS__MULTIPLIER", "1"), ("MAINSTAY_LIMITS__REQUESTS", "2")];
    let service = Service::start(folder.path(), &limits).await;
    let mut expected = Expected::default();
    let docs = || service.call("GET", "/openapi.json");
    for _ in 0..2 {
        expected.send("within the limit", docs(), 200, &[]).await;
    }
    expected.send("beyond it", docs(), 429, &["excess_rate_limit_exceeded"]).await;

    let registration = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD });
    let register = service.call("POST", "/users").json(&registration);
    assert_outcome(&register.send().await, 201, "", "a registration");
    let wrong = || log_in(&service, "ada@example.com", "not the right one");
    assert_outcome(&wrong().send().await, 401, "INVALID_CREDENTIALS", "the first");
    let url = format!("sqlite:{}", folder.path().join("data/accounts.db").display());
    let url = url.parse().expect("the address of a file");
    let database = Database::open(&url, &DatabaseOptions::default()).await.expect("opens");
    let update = "UPDATE log_in_failures SET failures = 99, last_at = last_at - 900000000";
    assert_eq!(database.execute(update, params![]).await.expect("updates"), 1);
    let events = ["authn_login_fail", "authn_login_lock"];
    expected.send("the hundredth", wrong(), 401, &events).await;
    expected.send("one more", wrong(), 403, &["authn_login_fail_max"]).await;
    let lines = ended(service).await;
    let about = |line: &&Value| line["msg"] == "authn_login_lock" && line["user_id"].is_string();
    assert_eq!(lines.iter().filter(about).count(), 1);
    let ids: Vec<String> = expected.0.keys().cloned().collect();
    let ours = |line: &Value| ids.iter().any(|id| line["id"] == *id);
    expected.check(&lines.into_iter().filter(ours).collect::<Vec<_>>());
}
