//! Who may do what: every operation of the contract against every kind of bad caller.

use std::time::Duration;

use mainstay::tokens::Token;
use mainstay_testing::{Call, Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{Person, assert_outcome, outcome, start, text};

/// One operation of the published contract.
struct Operation {
    method: String,
    path: String,
    access: String,
    takes_body: bool,
}

impl Operation {
    async fn all(app: &TestApp) -> Vec<Self> {
        let document = app.get("/openapi.json").send().await.json();
        let paths = document["paths"].as_object().expect("paths").clone();
        let operations = paths.into_iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("an object").clone();
            item.into_iter().map(move |(method, operation)| Self {
                method: method.to_uppercase(),
                path: path.clone(),
                access: text(&operation["x-access"]),
                takes_body: operation["requestBody"].is_object(),
            })
        });
        operations.collect()
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A call against the victim that would succeed if the caller might make it.
    fn call(&self, app: &TestApp, victim: &Victim) -> Call {
        let id = match self.path.as_str() {
            path if path.starts_with("/users") => &victim.person.id,
            path if path.starts_with("/keys") => &victim.key,
            _ => &victim.session,
        };
        let path = self.path.replace("{id}", id).replace("{key}", "checkout");
        let target = match self.name().as_str() {
            "GET /keys" => format!("{path}?user_id={}", victim.person.id),
            "GET /flags/{key}/evaluation" => format!("{path}?subject={}", victim.person.id),
            _ => path,
        };
        let call = app.call(self.method.parse().expect("a method"), &target);
        match self.path.as_str() {
            _ if !self.takes_body => call,
            "/flags" => call.json(&json!({ "key": "mallory", "allow": [victim.person.id] })),
            "/flags/{key}" => call.header("if-match", "*").json(&json!({
                "description": "Mallory", "enabled": false, "rollout_basis_points": 0, "allow": [],
                "prerequisites": [],
            })),
            "/flags/evaluations" => call.json(&json!({ "subject": victim.person.id })),
            "/keys" => call.json(&json!({
                "name": "Mallory", "scopes": ["users:read"], "user_id": victim.person.id,
            })),
            "/me/password" => call.json(&json!({
                "current": "not the right one", "new": "battery staple correct",
            })),
            _ => call.json(&json!({ "name": "Mallory" })),
        }
    }

    /// What somebody without a role, who is not the victim, is told.
    fn refusal(&self) -> Option<(u16, &'static str)> {
        match (self.access.as_str(), self.name().as_str()) {
            ("admin" | "self or admin", _)
            | (
                _,
                "POST /keys"
                | "GET /keys"
                | "GET /flags/{key}/evaluation"
                | "POST /flags/evaluations",
            ) => Some((403, "FORBIDDEN")),
            (_, "DELETE /sessions/{id}") => Some((404, "SESSION_NOT_FOUND")),
            (_, "DELETE /keys/{id}") => Some((404, "KEY_NOT_FOUND")),
            (_, "POST /me/password") => Some((403, "WRONG_PASSWORD")),
            _ => None,
        }
    }
}

/// Somebody whose account others try to use.
struct Victim {
    person: Person,
    session: String,
    key: String,
    /// Everything that is theirs, as they see it.
    own: Vec<Value>,
}

impl Victim {
    async fn join(app: &TestApp, name: &str) -> Self {
        let person = Person::join(app, name).await;
        let wanted = json!({ "name": "deploy", "scopes": ["users:read"] });
        let made = app.post("/keys").bearer(&person.token).json(&wanted).send().await.json();
        let own = Self::own(app, &person).await;
        Self { session: text(&own[1]["items"][0]["id"]), key: text(&made["id"]), person, own }
    }

    async fn own(app: &TestApp, person: &Person) -> Vec<Value> {
        let mut own = Vec::new();
        for path in ["/me", "/sessions", "/keys"] {
            let reply = app.get(path).bearer(&person.token).send().await;
            assert_outcome(&reply, 200, "", path);
            own.push(reply.json());
        }
        own
    }

    /// Asserts that nobody has changed anything of it.
    async fn check(&self, app: &TestApp, case: &str) {
        assert_eq!(Self::own(app, &self.person).await, self.own, "{case}");
    }
}

/// Whether a refusal is about who the caller is.
fn is_refused(reply: &Reply) -> bool {
    matches!(reply.code().as_str(), "UNAUTHENTICATED" | "FORBIDDEN")
}

/// Tokens that nobody should be let in with, each with a name.
async fn bad_tokens(app: &TestApp) -> Vec<(&'static str, String)> {
    let expired = Person::join(app, "expired").await;
    app.advance(Duration::from_hours(14 * 24));
    let revoked = Person::join(app, "revoked").await;
    app.delete("/sessions/current").bearer(&revoked.token).send().await;
    let deleted = Person::join_as_admin(app, "deleted").await;
    app.delete(&deleted.path()).bearer(&deleted.token).send().await;
    vec![
        ("garbage", "garbage".to_owned()),
        // Well formed, with the right checksum, and nobody's.
        ("forged", Token::generate().reveal().to_owned()),
        ("expired", expired.token),
        ("revoked", revoked.token),
        ("of a removed administrator", deleted.token),
    ]
}

#[tokio::test]
async fn a_caller_nobody_knows_is_refused_by_every_operation_but_the_public_ones() {
    let app = start().await;
    let tokens = bad_tokens(&app).await;
    let victim = Victim::join(&app, "victim").await;
    let mut refused = 0;
    for operation in Operation::all(&app).await {
        let is_public = operation.access == "public";
        let mut callers = vec![("anonymous", operation.call(&app, &victim))];
        for (name, token) in &tokens {
            callers.push((name, operation.call(&app, &victim).bearer(token)));
        }
        for (caller, call) in callers {
            let case = format!("{} by a caller who is {caller}", operation.name());
            let reply = call.send().await;
            if is_public {
                assert!(!is_refused(&reply), "{case}: {:?}", outcome(&reply));
                continue;
            }
            assert_outcome(&reply, 401, "UNAUTHENTICATED", &case);
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{case}");
            victim.check(&app, &case).await;
            refused += 1;
        }
    }
    assert!(refused >= 80, "{refused} refusals are too few: the contract was not read");
}

#[tokio::test]
async fn a_user_gets_no_further_than_the_own_account() {
    let app = start().await;
    let victim = Victim::join(&app, "victim").await;
    for (at, operation) in Operation::all(&app).await.iter().enumerate() {
        // Each operation has a caller of its own: some of them end the caller's session.
        let stranger = Person::join(&app, &format!("stranger{at}")).await;
        let reply = operation.call(&app, &victim).bearer(&stranger.token).send().await;
        match operation.refusal() {
            Some((status, code)) => assert_outcome(&reply, status, code, &operation.name()),
            None => assert!(!is_refused(&reply), "{}", operation.name()),
        }
        victim.check(&app, &operation.name()).await;
    }
}

#[tokio::test]
async fn administrators_and_the_user_are_let_in() {
    let app = start().await;
    for (at, operation) in Operation::all(&app).await.iter().enumerate() {
        let own = Victim::join(&app, &format!("own{at}")).await;
        let admin = Person::join_as_admin(&app, &format!("root{at}")).await;
        let is_for_all = operation.access != "admin";
        let callers = is_for_all.then_some(&own.person).into_iter().chain([&admin]);
        for caller in callers {
            let reply = operation.call(&app, &own).bearer(&caller.token).send().await;
            assert!(!is_refused(&reply), "{}: {:?}", operation.name(), outcome(&reply));
        }
    }
}

/// Members that no request may set, whoever sends it.
const UNSETTABLE: [(&str, &str); 12] = [
    ("id", "\"01890000-0000-7000-8000-000000000001\""),
    ("version", "99"),
    ("created_at", "\"2000-01-01T00:00:00Z\""),
    ("password_hash", "\"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g\""),
    ("password_version", "99"),
    ("email_key", "\"root@example.com\""),
    ("roles", "[\"admin\"]"),
    ("is_admin", "true"),
    ("Role", "\"admin\""),
    ("role ", "\"admin\""),
    ("__proto__", "{\"role\":\"admin\"}"),
    ("user", "{\"role\":\"admin\"}"),
];

#[tokio::test]
async fn a_member_that_is_not_the_callers_to_set_changes_nothing() {
    let app = start().await;
    let victim = Victim::join(&app, "victim").await;
    let person = &victim.person;
    let users = app.neighbour().number("SELECT count(*) FROM users");
    let role = ("role", "\"admin\"");
    for (name, value) in UNSETTABLE.into_iter().chain([role]) {
        let create = format!(r#"{{"email":"new@example.com","name":"New","{name}":{value}}}"#);
        let reply = app.post("/users").body("application/json", create).send().await;
        assert_outcome(&reply, 422, "VALIDATION_FAILED", name);
        assert_eq!(reply.fields()[0].2, "unknown_field", "{name}");

        let patch = format!(r#"{{"name":"New","{name}":{value}}}"#);
        let call = app.patch(&person.path()).bearer(&person.token);
        let reply = call.body("application/merge-patch+json", patch).send().await;
        let expected = if name == "role" { (403, "FORBIDDEN") } else { (422, "VALIDATION_FAILED") };
        assert_outcome(&reply, expected.0, expected.1, name);
        victim.check(&app, name).await;
    }
    assert_eq!(app.neighbour().number("SELECT count(*) FROM users"), users);
}
