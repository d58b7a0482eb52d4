//! Security events: each trigger leaves its lines, once, with the id of its request.

use std::collections::BTreeMap;

use mainstay::security::SecurityEvent;
use mainstay_testing::{Call, Reply};
use serde_json::{Value, json};

use crate::{
    process::{Home, Service},
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
fn expire_sessions(home: &Home) {
    let neighbour = home.neighbour();
    assert!(neighbour.number("SELECT count(*) FROM sessions") > 0);
    let next = neighbour.moved("created_at", 1);
    neighbour.run(&format!("UPDATE sessions SET expires_at = {next}"));
}

fn log_in(service: &Service, email: &str, password: &str) -> Call {
    service.call("POST", "/sessions").json(&json!({ "email": email, "password": password }))
}

/// Everything one test uses.
struct Scene {
    service: Service,
    home: Home,
    expected: Expected,
    root: String,
    ada: String,
    own: String,
}

const ADA: &str = "ada@example.com";
const LOGGED_IN: [&str; 2] = ["authn_login_success", "session_created"];

impl Scene {
    /// A service with an administrator and a user, both signed in, that logs as little as it can.
    async fn start() -> Self {
        let home = Home::new();
        let create = ["admin", "create", "--email", "root@example.com"];
        assert_eq!(home.run(&create, &[], PASSWORD).code, Some(0));
        let service = home.start(&[("RUST_LOG", "error,mainstay=info")]).await;
        let mut expected = Expected::default();
        let body = json!({ "email": ADA, "name": "Ada", "password": PASSWORD });
        let register = service.call("POST", "/users").json(&body);
        let user = expected.send("a registration", register.clone(), 201, &["user_created"]).await;
        let own = format!("/users/{}", text(&user.json()["id"]));
        expected.send("the same again", register, 409, &[]).await;
        let root = log_in(&service, "root@example.com", PASSWORD);
        let root = expected.send("a log-in", root, 201, &LOGGED_IN).await;
        let root = text(&root.json()["token"]);
        let mut scene = Self { service, home, expected, root, ada: String::new(), own };
        scene.ada = scene.log_in(PASSWORD).await;
        scene
    }

    async fn log_in(&mut self, password: &str) -> String {
        let call = log_in(&self.service, ADA, password);
        let reply = self.expected.send("a log-in", call, 201, &LOGGED_IN).await;
        text(&reply.json()["token"])
    }

    fn get(&self, path: &str, token: &str) -> Call {
        self.service.call("GET", path).bearer(token)
    }

    fn delete(&self, path: &str, token: &str) -> Call {
        self.service.call("DELETE", path).bearer(token)
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> Call {
        self.service.call("POST", path).bearer(token).json(body)
    }

    async fn end(self) -> Vec<Value> {
        let lines = ended(self.service).await;
        self.expected.check(&lines);
        lines
    }
}

#[tokio::test]
async fn each_log_in_and_each_guess_leaves_its_event_whatever_is_filtered() {
    let mut scene = Scene::start().await;
    for email in [ADA, "nobody@example.com"] {
        let wrong = log_in(&scene.service, email, "not the right one");
        for _ in 0..20 {
            scene.expected.send("a guess", wrong.clone(), 401, &["authn_login_fail"]).await;
        }
        scene.expected.send("one too many", wrong, 429, &["authn_login_fail_max"]).await;
    }
    let lines = scene.end().await;
    for word in ["sys_startup", "sys_shutdown"] {
        assert_eq!(lines.iter().filter(|line| line["msg"] == word).count(), 1, "{word}");
    }
}

#[tokio::test]
async fn each_denial_and_each_use_of_a_role_leaves_its_event() {
    let mut scene = Scene::start().await;
    let (ada, root, own) = (scene.ada.clone(), scene.root.clone(), scene.own.clone());
    let flag = json!({ "key": "checkout" });
    let for_ada = own.replace("/users/", "/flags/checkout/evaluation?subject=");
    let change =
        |token: &str, body: Value| scene.service.call("PATCH", &own).bearer(token).json(&body);
    for (what, call, status, events) in [
        ("a forbidden list", scene.get("/users", &ada), 403, &["authz_fail"] as &[&str]),
        ("an administrator's list", scene.get("/users", &root), 200, &["authz_admin"]),
        (
            "a bad list",
            scene.get("/users?limit=0", &root),
            422,
            &["authz_admin", "input_validation_fail"],
        ),
        ("a forbidden flag", scene.post("/flags", &ada, &flag), 403, &["authz_fail"]),
        ("a flag", scene.post("/flags", &root, &flag), 201, &["authz_admin"]),
        ("what is on for somebody else", scene.get(&for_ada, &root), 200, &[]),
        ("what is on for oneself", scene.get(&for_ada, &ada), 200, &[]),
        ("its end", scene.delete("/flags/checkout", &root), 204, &["authz_admin"]),
        ("a change", change(&ada, json!({ "age": 36 })), 200, &["user_updated"]),
        ("no change", change(&ada, json!({ "age": 36 })), 200, &[]),
        ("a bad change", change(&ada, json!({ "age": 0 })), 422, &["input_validation_fail"]),
        (
            "a promotion",
            change(&root, json!({ "role": "admin" })),
            200,
            &["authz_admin", "privilege_permissions_changed", "user_updated"],
        ),
    ] {
        scene.expected.send(what, call, status, events).await;
    }
    scene.end().await;
}

#[tokio::test]
async fn each_beginning_and_each_end_of_a_credential_leaves_its_event() {
    let mut scene = Scene::start().await;
    let ada = scene.ada.clone();
    let wanted = json!({ "name": "deploy", "scopes": ["users:read"] });
    let made = scene.post("/keys", &ada, &wanted);
    let made = scene.expected.send("a key", made, 201, &["authn_token_created"]).await.json();
    let (id, token) = (text(&made["id"]), text(&made["token"]));
    let password = |current: &str| json!({ "current": current, "new": "battery staple correct" });
    let me = scene.get("/me", &token);
    for (what, call, status, events) in [
        ("its use", me.clone(), 200, &[] as &[&str]),
        ("its end", scene.delete(&format!("/keys/{id}"), &ada), 204, &["authn_token_revoked"]),
        ("its use after the end", me, 401, &["authn_token_reuse"]),
        ("nonsense", scene.get("/me", "nonsense"), 401, &[]),
        (
            "a guess at the password",
            scene.post("/me/password", &ada, &password("not the right one")),
            403,
            &["authn_password_change_fail"],
        ),
        (
            "a change of password",
            scene.post("/me/password", &ada, &password(PASSWORD)),
            204,
            &["authn_password_change"],
        ),
    ] {
        scene.expected.send(what, call, status, events).await;
    }
    let stolen = scene.get("/me", &ada);
    scene.expected.send("a session of before", stolen, 401, &["authn_token_reuse"]).await;
    let new = "battery staple correct";
    let token = scene.log_in(new).await;
    let out = scene.delete("/sessions/current", &token);
    scene.expected.send("a log-out", out, 204, &["session_logout"]).await;
    let token = scene.log_in(new).await;
    expire_sessions(&scene.home);
    let old = scene.get("/me", &token);
    scene.expected.send("an old session", old, 401, &["session_use_after_expire"]).await;
    let token = scene.log_in(new).await;
    let removal = scene.delete(&scene.own.clone(), &token);
    scene.expected.send("the end", removal, 204, &["user_deleted"]).await;
    scene.end().await;
}

#[tokio::test]
async fn an_event_names_the_account_it_is_about_and_who_acted() {
    let mut scene = Scene::start().await;
    let (root, ada) = (scene.root.clone(), scene.ada.clone());
    let wanted = json!({ "name": "deploy", "scopes": ["users:read"] });
    let made = scene.post("/keys", &ada, &wanted);
    let made = scene.expected.send("a key", made, 201, &["authn_token_created"]).await.json();
    let removal = scene.delete(&format!("/keys/{}", text(&made["id"])), &root);
    let events = ["authz_admin", "authn_token_revoked"];
    scene.expected.send("an administrator's removal", removal, 204, &events).await;
    let owner = scene.own.trim_start_matches("/users/").to_owned();
    let lines = scene.end().await;
    for word in events {
        let line = lines.iter().find(|line| line["msg"] == word).expect("a line");
        assert_eq!(line["user_id"], owner.as_str(), "{line}");
        assert!(line["caller_id"].is_string() && line["caller_id"] != line["user_id"], "{line}");
    }
}

#[tokio::test]
async fn a_lock_and_an_exceeded_limit_are_events() {
    let home = Home::new();
    let limits = [("MAINSTAY_LIMITS__MULTIPLIER", "1"), ("MAINSTAY_LIMITS__REQUESTS", "2")];
    let service = home.start(&limits).await;
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
    let neighbour = home.neighbour();
    assert_eq!(neighbour.number("SELECT count(*) FROM log_in_failures"), 1);
    let earlier = neighbour.moved("last_at", -900_000_000);
    neighbour.run(&format!("UPDATE log_in_failures SET failures = 99, last_at = {earlier}"));
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

#[test]
fn every_event_is_documented() {
    let page = include_str!("../../../docs/logging.md");
    for event in SecurityEvent::ALL {
        let row = format!("| `{}` |", event.name());
        assert!(page.contains(&row), "docs/logging.md has no row for {}", event.name());
    }
}
