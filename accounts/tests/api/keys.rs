//! `/keys`: who makes them, what they open, how they end.

use std::time::Duration;

use mainstay_testing::{Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, Person, UNKNOWN_ID, assert_outcome, comparable, outcome, register, start, text,
};

async fn make(app: &TestApp, token: &str, body: Value) -> Reply {
    app.post("/keys").bearer(token).json(&body).send().await
}

/// Makes a key of these scopes and gives its id and its token.
async fn key(app: &TestApp, token: &str, scopes: &[&str]) -> (String, String) {
    let reply = make(app, token, json!({ "name": "deploy", "scopes": scopes })).await;
    assert_outcome(&reply, 201, "", "a key");
    (text(&reply.json()["id"]), text(&reply.json()["token"]))
}

async fn keys(app: &TestApp, token: &str) -> Vec<Value> {
    let reply = app.get("/keys").bearer(token).send().await;
    assert_outcome(&reply, 200, "", "the list");
    reply.json()["items"].as_array().expect("a list").clone()
}

/// Registers an account without a password.
async fn machine(app: &TestApp) -> String {
    let body = json!({ "email": "machine@example.com", "name": "Machine" });
    text(&register(app, &body).await.json()["id"])
}

#[tokio::test]
async fn a_key_is_told_once_and_listed_without_its_token() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let body = json!({
        "name": "deploy", "scopes": ["users:write", "users:read"], "expires_in_days": 7,
    });
    let made = make(&app, &ada.token, body).await;
    assert_outcome(&made, 201, "", "a key");
    let made_key = made.json();
    let token = text(&made_key["token"]);
    assert!(token.starts_with("mst_") && token.len() == 53, "{} characters", token.len());
    assert_eq!(made.header("location"), format!("/keys/{}", text(&made_key["id"])));
    assert_eq!(made_key["scopes"], json!(["users:read", "users:write"]));
    let listed = keys(&app, &ada.token).await;
    let mut expected = made_key.clone();
    expected.as_object_mut().expect("an object").remove("token");
    assert_eq!(listed, [expected]);
    let neighbour = app.neighbour();
    let stored = neighbour.as_text("token_hash");
    let kept = format!("SELECT count(*) FROM keys WHERE {stored} = '{token}'");
    assert_eq!(neighbour.number(&kept), 0, "only a hash is stored");

    let default = make(&app, &ada.token, json!({ "name": "x", "scopes": ["users:read"] })).await;
    let expiry = neighbour.moved("created_at", 90 * 86_400_000_000);
    let good = format!("SELECT count(*) FROM keys WHERE name = 'x' AND expires_at = {expiry}");
    assert_eq!((default.status.as_u16(), neighbour.number(&good)), (201, 1), "90 days");
}

#[tokio::test]
async fn what_is_no_key_is_refused_with_every_problem() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let body = json!({ "name": " ", "scopes": [], "expires_in_days": 367, "admin": true });
    let reply = make(&app, &ada.token, body).await;
    assert_outcome(&reply, 422, "VALIDATION_FAILED", "four problems");
    assert_eq!(reply.fields().len(), 4, "{:?}", reply.fields());
    for scopes in [json!(["users:read", "users:read"]), json!(["sessions"]), json!("users:read")] {
        let reply = make(&app, &ada.token, json!({ "name": "x", "scopes": scopes })).await;
        assert_outcome(&reply, 422, "VALIDATION_FAILED", &scopes.to_string());
    }
}

/// Every operation of the contract that is not public, with the scope it names.
async fn operations(app: &TestApp) -> Vec<(String, String, Option<String>)> {
    let document = app.get("/openapi.json").send().await.json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an object") {
            if operation["x-access"] != "public" {
                let scope = operation["x-scope"].as_str().map(str::to_owned);
                operations.push((method.to_uppercase(), path.clone(), scope));
            }
        }
    }
    operations
}

#[tokio::test]
async fn a_key_opens_what_names_one_of_its_scopes_and_nothing_else() {
    let app = start().await;
    let scopes = ["users:read", "users:write", "flags:read", "flags:write"];
    let (mut opened, mut refused) = (0, 0);
    for (at, (method, path, needed)) in operations(&app).await.into_iter().enumerate() {
        for scope in scopes {
            let name = format!("root{at}{}", scope.replace(':', ""));
            let who = Person::join_as_admin(&app, &name).await;
            let (_, token) = key(&app, &who.token, &[scope]).await;
            let target = path.replace("{id}", &who.id).replace("{key}", "checkout");
            let call = app.call(method.parse().expect("a method"), &target).bearer(&token);
            let reply = call.json(&json!({})).send().await;
            let case = format!("{method} {path} with {scope}");
            if needed.as_deref() == Some(scope) {
                assert!(reply.code() != "FORBIDDEN" && reply.status != 401, "{case}");
                opened += 1;
            } else {
                assert_outcome(&reply, 403, "FORBIDDEN", &case);
                refused += 1;
            }
        }
    }
    assert!(opened >= 13 && refused >= 75, "{opened} opened, {refused} refused");
}

#[tokio::test]
async fn a_key_acts_as_its_account_and_no_further() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let eve = Person::join(&app, "eve").await;
    let (_, token) = key(&app, &ada.token, &["users:read", "users:write"]).await;
    let me = app.get("/me").bearer(&token).send().await;
    assert_outcome(&me, 200, "", "itself");
    assert_eq!(text(&me.json()["id"]), ada.id);
    for (call, case) in [
        (app.get(&eve.path()), "somebody else"),
        (app.get("/users"), "everybody"),
        (app.delete(&eve.path()), "removing somebody else"),
    ] {
        assert_outcome(&call.bearer(&token).send().await, 403, "FORBIDDEN", case);
    }
    let patch = app.patch(&ada.path()).bearer(&token).json(&json!({ "role": "admin" }));
    assert_outcome(&patch.send().await, 403, "FORBIDDEN", "its own role");
}

#[tokio::test]
async fn a_key_ends_by_its_time_by_removal_and_with_its_account() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let works = async |token: &str| {
        let reply = app.get("/me").bearer(token).send().await;
        match outcome(&reply) {
            (200, _) => true,
            refused => {
                assert_eq!(refused, (401, "UNAUTHENTICATED".to_owned()));
                false
            }
        }
    };
    let (id, token) = key(&app, &ada.token, &["users:read"]).await;
    assert!(works(&token).await);
    let removed = app.delete(&format!("/keys/{id}")).bearer(&ada.token).send().await;
    assert_outcome(&removed, 204, "", "removed");
    assert!(!works(&token).await);

    let (_, token) = key(&app, &ada.token, &["users:read"]).await;
    app.advance(Duration::from_hours(90 * 24).saturating_sub(Duration::from_micros(1)));
    assert!(works(&token).await, "the last microsecond");
    app.advance(Duration::from_micros(1));
    assert!(!works(&token).await);

    let fresh = ada.another_token(&app).await;
    let (_, token) = key(&app, &fresh, &["users:read"]).await;
    let gone = app.delete(&ada.path()).bearer(&fresh).send().await;
    assert_outcome(&gone, 204, "", "the account is removed");
    assert!(!works(&token).await);
}

#[tokio::test]
async fn an_administrator_makes_keys_for_machines_only() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    let ada = Person::join(&app, "ada").await;
    let machine = machine(&app).await;
    let wanted = |id: &str| json!({ "name": "x", "scopes": ["users:read"], "user_id": id });
    let made = make(&app, &admin.token, wanted(&machine)).await;
    assert_outcome(&made, 201, "", "for a machine");
    let me = app.get("/me").bearer(&text(&made.json()["token"])).send().await;
    assert_eq!(text(&me.json()["id"]), machine);
    let person = make(&app, &admin.token, wanted(&ada.id)).await;
    assert_outcome(&person, 409, "NOT_A_MACHINE_ACCOUNT", "for a person");
    let nobody = make(&app, &admin.token, wanted(UNKNOWN_ID)).await;
    assert_outcome(&nobody, 404, "USER_NOT_FOUND", "for nobody");

    let (list, id) = (format!("/keys?user_id={machine}"), text(&made.json()["id"]));
    let listed = app.get(&list).bearer(&admin.token).send().await;
    assert_eq!(listed.json()["items"][0]["id"], json!(id));
    let removed = app.delete(&format!("/keys/{id}")).bearer(&admin.token).send().await;
    assert_outcome(&removed, 204, "", "an administrator removes any");
}

#[tokio::test]
async fn a_stranger_cannot_tell_keys_and_accounts_from_none() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    let eve = Person::join(&app, "eve").await;
    let machine = machine(&app).await;
    let wanted = |id: &str| json!({ "name": "x", "scopes": ["users:read"], "user_id": id });
    let made = make(&app, &admin.token, wanted(&machine)).await;
    let id = text(&made.json()["id"]);
    let mut pairs = Vec::new();
    for (account, key) in [(machine.as_str(), id.as_str()), (UNKNOWN_ID, UNKNOWN_ID)] {
        let made = make(&app, &eve.token, wanted(account)).await;
        let list = format!("/keys?user_id={account}");
        let seen = app.get(&list).bearer(&eve.token).send().await;
        let removed = app.delete(&format!("/keys/{key}")).bearer(&eve.token).send().await;
        assert_outcome(&made, 403, "FORBIDDEN", account);
        assert_outcome(&seen, 403, "FORBIDDEN", account);
        assert_outcome(&removed, 404, "KEY_NOT_FOUND", key);
        pairs.push([made, seen, removed].map(|reply| comparable(&reply)));
    }
    assert_eq!(pairs[0], pairs[1]);
    assert!(keys(&app, &eve.token).await.is_empty());
}

#[tokio::test]
async fn an_account_has_fifty_keys_at_most() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let wanted = || json!({ "name": "x", "scopes": ["users:read"] });
    for _ in 0..48 {
        assert_outcome(&make(&app, &ada.token, wanted()).await, 201, "", "there is room");
    }
    let at_once: Vec<_> = (0..8)
        .map(|_| tokio::spawn(app.post("/keys").bearer(&ada.token).json(&wanted()).send()))
        .collect();
    let mut made = 0;
    for reply in at_once {
        match outcome(&reply.await.expect("no panic")) {
            (201, _) => made += 1,
            refused => assert_eq!(refused, (409, "TOO_MANY_KEYS".to_owned())),
        }
    }
    assert_eq!(made, 2);
    assert_eq!(keys(&app, &ada.token).await.len(), 50);
}

#[tokio::test]
async fn a_new_password_ends_the_keys_too() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let (_, token) = key(&app, &ada.token, &["users:read"]).await;
    let change = json!({ "current": PASSWORD, "new": "battery staple correct" });
    let changed = app.post("/me/password").bearer(&ada.token).json(&change).send().await;
    assert_outcome(&changed, 204, "", "changed");
    let reply = app.get("/me").bearer(&token).send().await;
    assert_outcome(&reply, 401, "UNAUTHENTICATED", "made with the earlier password");
}
