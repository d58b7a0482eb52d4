//! Every refusal that the contract declares, produced at every operation that declares it.
//!
//! What the edge answers has one cause for all operations. What is known of a single operation is
//! in [`body`] and [`cause`]: a new one needs a row in the first if it takes a body, and one in the
//! second for each code of its module.

use accounts::Accounts;
use mainstay_testing::{Call, Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, Person, UNKNOWN_ID, assert_outcome, limited, options, registration, start, text,
};

const NEW_PASSWORD: &str = "battery staple correct";

fn key(scopes: &[&str]) -> Value {
    json!({ "name": "deploy", "scopes": scopes })
}

/// A flag that requires another one.
const FLAG: &str = "upper";
const REQUIRED_FLAG: &str = "lower";
const UNKNOWN_FLAG: &str = "unknown";

/// All of a flag that requires these, but its key.
fn flag(prerequisites: &[&str]) -> Value {
    json!({
        "description": "A test", "enabled": true, "rollout_basis_points": 10_000, "allow": [],
        "prerequisites": prerequisites,
    })
}

/// A body that the operation takes.
fn body(operation: &str) -> Value {
    match operation {
        "POST /users" => json!({ "email": "new@example.com", "name": "New" }),
        "PATCH /users/{id}" => json!({ "name": "Other" }),
        "POST /sessions" => json!({ "email": "root@example.com", "password": PASSWORD }),
        "POST /me/password" => json!({ "current": PASSWORD, "new": NEW_PASSWORD }),
        "POST /keys" => key(&["users:read"]),
        "POST /flags" => json!({ "key": "new" }),
        "PUT /flags/{key}" => flag(&[]),
        "POST /flags/evaluations" => json!({ "keys": [FLAG, UNKNOWN_FLAG] }),
        other => panic!("{other} takes a body: give it a row here"),
    }
}

/// The key of a registration, and of a flag, that were made.
const USED_KEY: &str = "used";

/// Among the first that anybody would guess.
const COMMON: &str = "passwordpassword";

/// A call that a module refuses with one of its own codes, or with one of the edge's for a reason
/// of its own.
fn cause(stage: &Stage<'_>, operation: &Operation, code: &str) -> Option<Call> {
    let signed = |target: &str| operation.call(stage.app, target).bearer(&stage.root.token);
    let signed_with = |body: Value| {
        operation.bare(stage.app, &stage.target(operation)).bearer(&stage.root.token).json(&body)
    };
    let new_flag = |name: &str, required: &[&str]| {
        signed_with(json!({ "key": name, "prerequisites": required }))
    };
    let key_for = |id: &str| {
        let mut key = key(&["users:read"]);
        key["user_id"] = json!(id);
        key
    };
    let unknown = operation.path.replace("{id}", UNKNOWN_ID).replace("{key}", UNKNOWN_FLAG);
    Some(match (operation.name().as_str(), code) {
        ("POST /users", "EMAIL_TAKEN") => {
            let body = json!({ "email": stage.eve.email, "name": "Eve" });
            operation.bare(stage.app, "/users").json(&body)
        }
        ("PATCH /users/{id}", "EMAIL_TAKEN") => {
            let call = operation.bare(stage.app, &stage.root.path()).bearer(&stage.root.token);
            call.json(&json!({ "email": stage.eve.email }))
        }
        (_, "IDEMPOTENCY_KEY_INVALID") => signed(&operation.path).header("idempotency-key", "\""),
        // It was sent by `Stage::set`, with another body.
        (_, "IDEMPOTENCY_KEY_REUSED") => {
            signed(&operation.path).header("idempotency-key", USED_KEY)
        }
        ("POST /users", "PASSWORD_TOO_COMMON") => {
            let body = json!({ "email": "x@example.com", "name": "X", "password": COMMON });
            operation.bare(stage.app, "/users").json(&body)
        }
        ("POST /me/password", "PASSWORD_TOO_COMMON") => {
            signed_with(json!({ "current": PASSWORD, "new": COMMON }))
        }
        ("POST /me/password", "WRONG_PASSWORD") => {
            signed_with(json!({ "current": "not the right one", "new": NEW_PASSWORD }))
        }
        ("POST /keys", "TOO_MANY_KEYS") => {
            operation.call(stage.app, "/keys").bearer(&stage.eve.token)
        }
        ("POST /keys", "NOT_A_MACHINE_ACCOUNT") => signed_with(key_for(&stage.eve.id)),
        ("POST /keys", "USER_NOT_FOUND") => signed_with(key_for(UNKNOWN_ID)),
        ("POST /flags", "FLAG_KEY_TAKEN") => new_flag(FLAG, &[]),
        ("POST /flags", "FLAG_PREREQUISITE_UNKNOWN") => new_flag("new", &[UNKNOWN_FLAG]),
        ("POST /flags", "FLAG_PREREQUISITE_CYCLE") => new_flag("new", &["new"]),
        ("PUT /flags/{key}", "FLAG_PREREQUISITE_UNKNOWN") => signed_with(flag(&[UNKNOWN_FLAG])),
        ("PUT /flags/{key}", "FLAG_PREREQUISITE_CYCLE") => signed_with(flag(&[FLAG])),
        ("DELETE /flags/{key}", "FLAG_IN_USE") => signed("/flags/lower"),
        (_, code) if code.ends_with("_NOT_FOUND") => signed(&unknown),
        ("POST /sessions", "INVALID_CREDENTIALS") => {
            let body = json!({ "email": stage.eve.email, "password": "not the right one" });
            operation.bare(stage.app, "/sessions").json(&body)
        }
        _ => return None,
    })
}

/// Answered before a route is known; `refusals` produces them.
const BEFORE_THE_ROUTE: [&str; 4] =
    ["MALFORMED_REQUEST", "INVALID_HOST", "HEAD_TOO_LARGE", "URI_TOO_LONG"];

/// One operation of the published contract.
struct Operation {
    method: String,
    path: String,
    access: String,
    /// What a credential for less than everything has to be good for.
    scope: Option<String>,
    takes_body: bool,
    /// Whether it asks for `If-Match`.
    is_conditional: bool,
    /// `in` and `name` of each parameter.
    parameters: Vec<(String, String)>,
    /// Status and code of each refusal that is about the request.
    refusals: Vec<(u16, String)>,
}

impl Operation {
    async fn all(app: &TestApp) -> Vec<Self> {
        let document = app.get("/openapi.json").send().await.json();
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("an object").iter();
            methods.map(move |(method, operation)| Self::read(method, path, operation))
        });
        operations.collect()
    }

    fn read(method: &str, path: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut refusals = Vec::new();
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let schema = &response["content"]["application/problem+json"]["schema"];
            let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
            let status: u16 = status.parse().expect("a status");
            let codes = codes.into_iter().flatten().map(text).filter(|_| status < 500);
            let codes = codes.filter(|code| !BEFORE_THE_ROUTE.contains(&code.as_str()));
            refusals.extend(codes.map(|code| (status, code)));
        }
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            access: text(&operation["x-access"]),
            scope: operation["x-scope"].as_str().map(str::to_owned),
            takes_body: operation["requestBody"].is_object(),
            is_conditional: parameters
                .iter()
                .any(|parameter| parameter["name"] == "if-match" && parameter["required"] == true),
            parameters: parameters.iter().map(|p| (text(&p["in"]), text(&p["name"]))).collect(),
            refusals,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn takes(&self, place: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == place)
    }

    /// A call without a body, by nobody yet.
    fn bare(&self, app: &TestApp, target: &str) -> Call {
        let call = self.unconditional(app, target);
        if self.is_conditional { call.header("if-match", "*") } else { call }
    }

    /// The same where it does not even say what state the resource is in.
    fn unconditional(&self, app: &TestApp, target: &str) -> Call {
        app.call(self.method.parse().expect("a method"), target)
    }

    /// Gives a call a body that is taken.
    fn with_body(&self, call: Call) -> Call {
        if self.takes_body { call.json(&body(&self.name())) } else { call }
    }

    /// A call with a body that is taken, by nobody yet.
    fn call(&self, app: &TestApp, target: &str) -> Call {
        self.with_body(self.bare(app, target))
    }
}

/// The people and things that calls are about: everything is the administrator's.
struct Stage<'a> {
    app: &'a TestApp,
    root: Person,
    eve: Person,
    session: String,
    /// A key of the administrator for each scope.
    readers_key: String,
    writers_key: String,
}

impl<'a> Stage<'a> {
    async fn set(app: &'a TestApp) -> Self {
        let root = Person::join_as_admin(app, "root").await;
        let eve = Person::join(app, "eve").await;
        let used = registration(app, "used@example.com").header("idempotency-key", USED_KEY);
        assert_outcome(&used.send().await, 201, "", "a key is used");
        for (name, required) in [(REQUIRED_FLAG, &[] as &[&str]), (FLAG, &[REQUIRED_FLAG])] {
            let flag = json!({ "key": name, "prerequisites": required });
            let made = app.post("/flags").bearer(&root.token).json(&flag);
            // The key is used for the last one.
            let made = made.header("idempotency-key", if name == FLAG { USED_KEY } else { name });
            assert_outcome(&made.send().await, 201, "", "a flag");
        }
        let sessions = app.get("/sessions").bearer(&root.token).send().await.json();
        let make = async |person: &Person, scope: &str| {
            app.post("/keys").bearer(&person.token).json(&key(&[scope])).send().await
        };
        let readers_key = text(&make(&root, "users:read").await.json()["token"]);
        let writers_key = text(&make(&root, "users:write").await.json()["token"]);
        // Eve has as many as she may have.
        while make(&eve, "users:read").await.status == 201 {}
        let session = text(&sessions["items"][0]["id"]);
        Self { app, root, eve, session, readers_key, writers_key }
    }

    fn target(&self, operation: &Operation) -> String {
        let is_session = operation.path.starts_with("/sessions");
        let id = if is_session { &self.session } else { &self.root.id };
        operation.path.replace("{id}", id).replace("{key}", FLAG)
    }

    /// Every call that should be refused with the code; none where no cause is known.
    fn calls(&self, operation: &Operation, code: &str) -> Vec<Call> {
        if let Some(call) = cause(self, operation, code) {
            return vec![call];
        }
        let (app, target) = (self.app, self.target(operation));
        let good = || operation.call(app, &target).bearer(&self.root.token);
        let bare = || operation.bare(app, &target).bearer(&self.root.token);
        let unconditional = || {
            let call = operation.unconditional(app, &target).bearer(&self.root.token);
            operation.with_body(call)
        };
        match code {
            "UNAUTHENTICATED" => {
                vec![operation.call(app, &target), operation.call(app, &target).bearer("garbage")]
            }
            "FORBIDDEN" => {
                let is_reading = operation.scope.as_deref() == Some("users:read");
                let key = if is_reading { &self.writers_key } else { &self.readers_key };
                let mut calls = vec![operation.call(app, &target).bearer(key)];
                if operation.access.contains("admin") {
                    calls.push(operation.call(app, &target).bearer(&self.eve.token));
                }
                calls
            }
            "MALFORMED_JSON" => vec![bare().body("application/json", "{")],
            "UNSUPPORTED_MEDIA_TYPE" => vec![bare().body("text/plain", "{}")],
            "PRECONDITION_FAILED" => vec![unconditional().header("if-match", "\"0\"")],
            "PRECONDITION_REQUIRED" => vec![unconditional()],
            "VALIDATION_FAILED" => {
                let mut calls = Vec::new();
                if operation.takes_body {
                    calls.push(bare().json(&json!({ "surplus": null })));
                }
                if operation.takes("path") {
                    let bad = operation.path.replace("{id}", "1").replace("{key}", "1");
                    // Whose policy is about the path is asked by somebody who may see any.
                    calls.push(operation.call(app, &bad).bearer(&self.root.token));
                }
                if operation.takes("query") {
                    let bad = format!("{target}?surplus=1");
                    calls.push(operation.call(app, &bad).bearer(&self.root.token));
                }
                if operation.parameters.contains(&("header".to_owned(), "if-match".to_owned())) {
                    calls.push(good().header("if-match", &"x".repeat(1025)));
                }
                calls
            }
            _ => Vec::new(),
        }
    }

    /// The head of a call whose body is announced and never sent in full.
    fn head(&self, operation: &Operation, length: u64) -> String {
        let (method, target) = (&operation.method, self.target(operation));
        let token = &self.root.token;
        let condition = if operation.is_conditional { "If-Match: *\r\n" } else { "" };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{condition}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    }
}

/// Writes a request and reads its one answer.
async fn answer(app: &TestApp, bytes: String) -> Reply {
    let mut wire = app.wire().await;
    wire.send(bytes).await;
    wire.reply().await
}

#[tokio::test]
async fn every_declared_refusal_of_every_operation_has_its_cause() {
    let app = start().await;
    let stage = Stage::set(&app).await;
    let mut produced = 0;
    for operation in Operation::all(&app).await {
        for (status, code) in &operation.refusals {
            let case = format!("{code} at {}", operation.name());
            match code.as_str() {
                // Below, because they need another service; the failures in `guessing` as well.
                "RATE_LIMITED" | "REQUEST_TIMEOUT" | "TOO_MANY_FAILURES" | "PASSWORD_LOCKED" => {
                    continue;
                }
                // In `idempotency` and `flags`, because somebody has to be at it, or all places
                // have to be taken.
                "IDEMPOTENCY_IN_PROGRESS" | "TOO_MANY_FLAGS" => continue,
                "PAYLOAD_TOO_LARGE" => {
                    let reply = answer(&app, stage.head(&operation, 1 << 40)).await;
                    assert_outcome(&reply, *status, code, &case);
                }
                code => {
                    let calls = stage.calls(&operation, code);
                    assert!(!calls.is_empty(), "{case}: no cause is known, so add it to `cause`");
                    for call in calls {
                        assert_outcome(&call.send().await, *status, code, &case);
                    }
                }
            }
            produced += 1;
        }
    }
    assert!(produced >= 120, "{produced} refusals are too few: the contract was not read");
}

#[tokio::test]
async fn every_operation_refuses_who_calls_too_often() {
    // So that few calls fill every window; the quotas of single operations are as in production.
    let options = limited().with("MAINSTAY_LIMITS__REQUESTS", "1");
    let app = TestApp::start_with::<Accounts>(options).await;
    // The default limit counts this call, and with it the operations that have no other.
    for operation in Operation::all(&app).await {
        let target = operation.path.replace("{id}", UNKNOWN_ID).replace("{key}", UNKNOWN_FLAG);
        let mut refused = None;
        for _ in 0..1000 {
            let reply = operation.call(&app, &target).send().await;
            if reply.code() == "RATE_LIMITED" {
                refused = Some(reply);
                break;
            }
        }
        let reply = refused.unwrap_or_else(|| panic!("{} refuses nobody", operation.name()));
        assert_outcome(&reply, 429, "RATE_LIMITED", &operation.name());
    }
}

#[tokio::test]
async fn every_operation_with_a_body_refuses_one_that_does_not_arrive() {
    let options = options().with("MAINSTAY_HTTP__BODY_TIMEOUT_MS", "100");
    let app = TestApp::start_with::<Accounts>(options).await;
    let stage = Stage::set(&app).await;
    for operation in Operation::all(&app).await.iter().filter(|operation| operation.takes_body) {
        let reply = answer(&app, format!("{}{{", stage.head(operation, 50))).await;
        assert_outcome(&reply, 408, "REQUEST_TIMEOUT", &operation.name());
    }
}
