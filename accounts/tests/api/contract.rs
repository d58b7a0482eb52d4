//! The published contract: it is the committed one, and every answer keeps to it.

use std::{collections::BTreeSet, fs, path::Path};

use jsonschema::{Draft, Validator};
use mainstay_testing::{Call, Reply, TestApp};
use serde_json::{Value, json};

use crate::{
    process,
    support::{PASSWORD, Person, UNKNOWN_ID, registration, start, text},
};

#[test]
fn the_committed_documents_are_what_the_service_prints() {
    for (path, arguments) in [
        ("accounts/openapi.json", &["openapi"] as &[&str]),
        ("accounts/errors.json", &["errors"]),
        ("docs/errors.md", &["errors", "--markdown"]),
        ("docs/configuration.md", &["config", "--markdown"]),
        ("docs/metrics.md", &["metrics", "--markdown"]),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let committed = fs::read_to_string(root.join(path)).unwrap_or_default();
        let printed = process::run(arguments, &[], "").stdout;
        let command = arguments.join(" ");
        assert!(
            committed == printed,
            "{path} is out of date; run `cargo run -q -p accounts -- {command} > {path}`"
        );
    }
}

/// The document, and what it says of one operation's answers.
struct Contract(Value);

impl Contract {
    async fn of(app: &TestApp) -> Self {
        Self(app.get("/openapi.json").send().await.json())
    }

    fn paths(&self) -> Vec<(String, Vec<String>)> {
        let paths = self.0["paths"].as_object().expect("paths");
        let methods = |item: &Value| {
            item.as_object().expect("an object").keys().map(|name| name.to_uppercase()).collect()
        };
        paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
    }

    /// Holds an answer against the response that is declared for its status.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let status = reply.status.as_u16();
        let case = format!("{method} {path} answering {status}");
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "{case}: not declared");
        let headers = response["headers"].as_object().into_iter().flatten();
        for (name, _) in headers.filter(|(_, header)| header["required"] != false) {
            assert!(!reply.header(name).is_empty(), "{case}: without its {name}");
        }
        let Some(content) = response["content"].as_object() else {
            assert!(reply.body.is_empty(), "{case}: a body where none is declared");
            return;
        };
        let media = content.get(reply.header("content-type"));
        let media = media.unwrap_or_else(|| panic!("{case}: {}", reply.header("content-type")));
        if reply.header("content-type").contains("json") {
            let errors: Vec<_> = self
                .validator(&media["schema"])
                .iter_errors(&reply.json())
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{case}: {errors:?}");
        }
    }

    /// A validator that knows nothing of ours.
    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .expect("a JSON Schema")
    }
}

/// Calls that meet every operation with success and with each kind of refusal.
fn walk<'a>(
    app: &'a TestApp,
    admin: &'a Person,
    session: &str,
    other: &str,
) -> Vec<(&'static str, Call)> {
    let password = |current: &str, new: &str| json!({ "current": current, "new": new });
    let key = json!({ "name": "deploy", "scopes": ["users:read"] });
    let with_user = |key: &Value, id: &str| {
        let mut key = key.clone();
        key["user_id"] = json!(id);
        key
    };
    let post = |target: &str, body: Value| app.post(target).json(&body);
    let ada = json!({ "email": "ada@example.com", "name": "Ada", "age": 36 });
    let full = json!({ "email": "bob@example.com", "name": "Bob", "password": PASSWORD });
    let login = json!({ "email": admin.email, "password": PASSWORD });
    let (own, unknown) = (admin.path(), format!("/users/{UNKNOWN_ID}"));
    let signed = |call: Call| call.bearer(&admin.token);
    let patch = |target: &str, body: Value| signed(app.patch(target).json(&body));
    vec![
        ("/users", post("/users", ada.clone())),
        ("/users", post("/users", full)),
        ("/users", post("/users", ada)),
        ("/users", post("/users", json!({ "email": 1, "surplus": [] }))),
        ("/users", app.post("/users").body("application/json", "{")),
        ("/users", app.post("/users").body("text/plain", "{}")),
        ("/users", app.post("/users").body("application/json", vec![b' '; (1 << 20) + 1])),
        ("/users", signed(app.get("/users"))),
        ("/users", signed(app.get("/users?limit=1"))),
        ("/users", signed(app.get("/users?limit=0&cursor=x"))),
        ("/users", signed(app.get("/users?cursor=x"))),
        ("/users", app.get("/users")),
        ("/users/{id}", signed(app.get(&own))),
        ("/users/{id}", signed(app.get(&own)).header("if-none-match", "*")),
        ("/users/{id}", signed(app.get(&unknown))),
        ("/users/{id}", signed(app.get("/users/1"))),
        ("/users/{id}", patch(&own, json!({ "name": "Root" }))),
        ("/users/{id}", patch(&own, json!({ "email": "bob@example.com" }))),
        ("/users/{id}", patch(&own, json!({ "age": 0 }))),
        ("/users/{id}", patch(&own, json!({})).header("if-match", "\"0\"")),
        ("/users/{id}", patch(&unknown, json!({}))),
        ("/users/{id}", signed(app.delete(&unknown))),
        ("/me", signed(app.get("/me"))),
        ("/me", app.get("/me").bearer("garbage")),
        (
            "/me/password",
            signed(post("/me/password", password("not the right one", "x y z 1 2 3 4 5"))),
        ),
        ("/me/password", signed(post("/me/password", password(PASSWORD, "passwordpassword")))),
        ("/me/password", signed(post("/me/password", password("", "")))),
        ("/me/password", post("/me/password", password(PASSWORD, PASSWORD))),
        ("/keys", signed(post("/keys", key.clone()))),
        ("/keys", signed(post("/keys", json!({ "name": "", "scopes": ["users:all"] })))),
        ("/keys", signed(post("/keys", with_user(&key, UNKNOWN_ID)))),
        ("/keys", signed(post("/keys", with_user(&key, other)))),
        ("/keys", post("/keys", key)),
        ("/keys", signed(app.get("/keys"))),
        ("/keys", signed(app.get("/keys?user_id=1"))),
        ("/keys/{id}", signed(app.delete(&format!("/keys/{UNKNOWN_ID}")))),
        ("/keys/{id}", signed(app.delete("/keys/1"))),
        ("/users/{id}/sessions", signed(app.delete(&format!("/users/{UNKNOWN_ID}/sessions")))),
        ("/sessions", post("/sessions", login)),
        ("/sessions", post("/sessions", json!({ "email": "x@example.com", "password": "x" }))),
        ("/sessions", post("/sessions", json!({}))),
        ("/sessions", signed(app.get("/sessions"))),
        ("/sessions/{id}", signed(app.delete(&format!("/sessions/{session}")))),
        ("/sessions/{id}", signed(app.delete(&format!("/sessions/{UNKNOWN_ID}")))),
        ("/sessions/{id}", signed(app.delete("/sessions/1"))),
        ("/openapi.json", app.get("/openapi.json")),
        ("/docs", app.get("/docs")),
    ]
}

/// The same for flags.
fn walk_flags<'a>(app: &'a TestApp, admin: &'a Person, other: &str) -> Vec<(&'static str, Call)> {
    let post = |target: &str, body: Value| app.post(target).json(&body);
    let signed = |call: Call| call.bearer(&admin.token);
    let put = |target: &str, body: Value| {
        signed(app.call("PUT".parse().expect("a method"), target).json(&body))
    };
    let upper = json!({ "key": "upper", "allow": [other], "prerequisites": ["lower"] });
    let definition = |required: &[&str]| {
        json!({
            "description": "", "enabled": false, "rollout_basis_points": 0, "allow": [],
            "prerequisites": required,
        })
    };
    let (off, requiring) = (definition(&[]), definition(&["upper"]));
    vec![
        ("/flags", signed(post("/flags", json!({ "key": "lower" })))),
        ("/flags", signed(post("/flags", upper.clone()))),
        ("/flags", signed(post("/flags", upper))),
        ("/flags", signed(post("/flags", json!({ "key": "x", "prerequisites": ["y"] })))),
        ("/flags", signed(post("/flags", json!({ "key": "evaluations", "allow": [1] })))),
        ("/flags", post("/flags", json!({ "key": "x" }))),
        ("/flags", signed(app.get("/flags"))),
        ("/flags", signed(app.get("/flags?limit=1"))),
        ("/flags", signed(app.get("/flags?limit=0&cursor=A"))),
        ("/flags/{key}", signed(app.get("/flags/upper"))),
        ("/flags/{key}", signed(app.get("/flags/upper")).header("if-none-match", "*")),
        ("/flags/{key}", signed(app.get("/flags/none"))),
        ("/flags/{key}", signed(app.get("/flags/A"))),
        ("/flags/{key}", put("/flags/upper", off.clone())),
        ("/flags/{key}", put("/flags/upper", off.clone()).header("if-match", "\"0\"")),
        ("/flags/{key}", put("/flags/none", off.clone()).header("if-match", "*")),
        ("/flags/{key}", put("/flags/lower", requiring).header("if-match", "*")),
        ("/flags/{key}/evaluation", signed(app.get("/flags/upper/evaluation"))),
        ("/flags/{key}/evaluation", signed(app.get("/flags/none/evaluation"))),
        ("/flags/{key}/evaluation", signed(app.get("/flags/upper/evaluation?subject=1"))),
        ("/flags/evaluations", signed(post("/flags/evaluations", json!({})))),
        ("/flags/evaluations", signed(post("/flags/evaluations", json!({ "keys": ["none"] })))),
        ("/flags/evaluations", signed(post("/flags/evaluations", json!({ "keys": [] })))),
        ("/flags/{key}", signed(app.delete("/flags/lower"))),
        ("/flags/{key}", put("/flags/upper", off).header("if-match", "*")),
        ("/flags/{key}", signed(app.delete("/flags/lower")).header("if-match", "\"0\"")),
        ("/flags/{key}", signed(app.delete("/flags/lower"))),
        ("/flags/{key}", signed(app.delete("/flags/lower"))),
        ("/flags/{key}/changes", signed(app.get("/flags/lower/changes"))),
        ("/flags/{key}/changes", signed(app.get("/flags/upper/changes?limit=1"))),
        ("/flags/{key}/changes", signed(app.get("/flags/upper/changes?cursor=0"))),
    ]
}

#[tokio::test]
async fn every_answer_of_every_operation_is_as_published() {
    let app = start().await;
    let contract = Contract::of(&app).await;
    let admin = Person::join_as_admin(&app, "root").await;
    let stranger = Person::join(&app, "eve").await;
    let sessions = app.get("/sessions").bearer(&admin.token).send().await.json();
    let current = text(&sessions["items"][0]["id"]);
    let spare = admin.another_token(&app).await;
    let sessions = app.get("/sessions").bearer(&spare).send().await.json();
    let ids = sessions["items"].as_array().expect("a list").iter().map(|s| text(&s["id"]));
    let other = ids.into_iter().find(|id| *id != current).expect("two sessions");

    let mut walked = BTreeSet::new();
    let mut meet = |method: String, path: &str, reply: &Reply| {
        contract.check(&method, path, reply);
        walked.insert((path.to_owned(), method));
    };
    let calls = walk(&app, &admin, &other, &stranger.id);
    for (path, call) in calls.into_iter().chain(walk_flags(&app, &admin, &stranger.id)) {
        let method = call.method().to_string();
        meet(method, path, &call.send().await);
    }
    for (method, path, target, token) in [
        ("GET", "/users/{id}", admin.path(), &stranger.token),
        ("DELETE", "/users/{id}", admin.path(), &stranger.token),
        ("DELETE", "/users/{id}", stranger.path(), &stranger.token),
        ("DELETE", "/sessions/others", "/sessions/others".to_owned(), &admin.token),
        ("DELETE", "/sessions/current", "/sessions/current".to_owned(), &admin.token),
        ("DELETE", "/sessions/current", "/sessions/current".to_owned(), &admin.token),
        ("DELETE", "/sessions", "/sessions".to_owned(), &admin.another_token(&app).await),
    ] {
        let call = app.call(method.parse().expect("a method"), &target).bearer(token);
        meet(method.to_owned(), path, &call.send().await);
    }
    let every = contract
        .paths()
        .into_iter()
        .flat_map(|(path, methods)| methods.into_iter().map(move |method| (path.clone(), method)));
    assert_eq!(walked, every.collect(), "an operation was not walked");
}

#[tokio::test]
async fn every_path_answers_head_and_options() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    app.post("/flags").bearer(&admin.token).json(&json!({ "key": "checkout" })).send().await;
    for (path, methods) in Contract::of(&app).await.paths() {
        let target = path.replace("{id}", &admin.id).replace("{key}", "checkout");
        let call = |method: &str| {
            app.call(method.parse().expect("a method"), &target).bearer(&admin.token).send()
        };
        let mut expected: BTreeSet<_> = methods.iter().map(String::as_str).collect();
        expected.insert("OPTIONS");
        if expected.contains("GET") {
            expected.insert("HEAD");
            let (get, head) = (call("GET").await, call("HEAD").await);
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            for name in ["content-type", "content-length", "etag", "cache-control"] {
                assert_eq!(head.header(name), get.header(name), "{name} of {path}");
            }
        }
        let options = call("OPTIONS").await;
        assert_eq!((options.status.as_u16(), options.body.len()), (204, 0), "{path}");
        let allowed: BTreeSet<_> = options.header("allow").split(", ").collect();
        assert_eq!(allowed, expected, "{path}");
        let other = ["PUT", "PATCH"].into_iter().find(|method| !expected.contains(method));
        let refused = call(other.expect("no path has both")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.header("allow")),
            (405, options.header("allow"))
        );
    }
}

#[tokio::test]
async fn the_schema_takes_a_body_exactly_when_the_service_does() {
    let app = start().await;
    let contract = Contract::of(&app).await;
    let body = &contract.0["paths"]["/users"]["post"]["requestBody"]["content"];
    let validator = contract.validator(&body["application/json"]["schema"]);
    for (at, case) in [
        json!({ "name": "Ada" }),
        json!({ "name": "" }),
        json!({ "name": "é".repeat(100) }),
        json!({ "name": "é".repeat(101) }),
        json!({ "name": "a\u{7f}" }),
        json!({ "name": "Ada", "age": 0 }),
        json!({ "name": "Ada", "age": 1.0 }),
        json!({ "name": "Ada", "age": u64::from(u32::MAX) + 1 }),
        json!({ "name": "Ada", "age": null }),
        json!({ "name": "Ada", "password": null }),
        json!({ "name": "Ada", "password": "x".repeat(14) }),
        json!({ "name": "Ada", "surplus": null }),
        json!({ "name": null }),
        json!({}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut whole = case;
        whole["email"] = json!(format!("user{at}@example.com"));
        let taken = app.post("/users").json(&whole).send().await.status == 201;
        assert_eq!(validator.is_valid(&whole), taken, "{whole}");
    }
    let taken = registration(&app, "ada@").send().await.status == 201;
    assert_eq!(validator.is_valid(&json!({ "email": "ada@", "name": "Ada" })), taken);
}
