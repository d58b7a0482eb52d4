//! `/users/{id}` and `/me`: who sees what, and how it changes.

use mainstay_testing::{Call, TestApp};
use serde_json::{Value, json};

use crate::support::{
    Person, UNKNOWN_ID, assert_outcome, comparable, log_in_with, outcome, registration, start,
};

/// Sends a change and compares status, code and, of a success, the members named.
async fn check(call: Call, change: Value, expected: (u16, &str), members: Value) {
    let reply = call.json(&change).send().await;
    assert_outcome(&reply, expected.0, expected.1, &change.to_string());
    let user: Value = serde_json::from_slice(&reply.body).expect("JSON");
    for (name, value) in members.as_object().expect("an object") {
        assert_eq!(user[name], *value, "{name} after {change}");
    }
}

fn nothing() -> Value {
    json!({})
}

#[tokio::test]
async fn a_user_is_seen_by_themselves_and_by_administrators() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let admin = Person::join_as_admin(&app, "root").await;
    let own = app.get(&ada.path()).bearer(&ada.token).send().await;
    assert_outcome(&own, 200, "", "oneself");
    assert_eq!(own.json()["email"], "ada@example.com");
    for call in [app.get(&ada.path()).bearer(&admin.token), app.get("/me").bearer(&ada.token)] {
        let reply = call.send().await;
        assert_eq!((reply.json(), reply.header("etag")), (own.json(), own.header("etag")));
    }
    assert_outcome(&app.get(&ada.path()).send().await, 401, "UNAUTHENTICATED", "anonymous");
}

#[tokio::test]
async fn a_stranger_cannot_tell_an_account_from_none() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let stranger = Person::join(&app, "eve").await;
    let unknown = format!("/users/{UNKNOWN_ID}");
    for method in ["GET", "PATCH", "DELETE"] {
        let ask = |path: &str| {
            let call = app.call(method.parse().expect("a method"), path).bearer(&stranger.token);
            call.json(&json!({})).send()
        };
        let (known, unknown) = (ask(&ada.path()).await, ask(&unknown).await);
        assert_outcome(&known, 403, "FORBIDDEN", method);
        assert_eq!(comparable(&known), comparable(&unknown), "{method}");
    }
}

#[tokio::test]
async fn an_administrator_is_told_that_there_is_no_such_user() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    for method in ["GET", "PATCH", "DELETE"] {
        for (id, status, code) in [
            (UNKNOWN_ID, 404, "USER_NOT_FOUND"),
            ("1", 422, "VALIDATION_FAILED"),
            ("01890000000070008000000000000000", 422, "VALIDATION_FAILED"),
            ("%00", 422, "VALIDATION_FAILED"),
        ] {
            let call = app.call(method.parse().expect("a method"), &format!("/users/{id}"));
            let reply = call.bearer(&admin.token).json(&json!({})).send().await;
            assert_outcome(&reply, status, code, &format!("{method} {id}"));
            if status == 422 {
                assert_eq!(reply.fields()[0].0, "path");
                assert_eq!(reply.fields()[0].1, "/id");
            }
        }
    }
}

#[tokio::test]
async fn a_reader_who_has_the_version_gets_no_body() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for path in [ada.path(), "/me".to_owned()] {
        let get = || app.get(&path).bearer(&ada.token);
        let tag = get().send().await.header("etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"0\", {tag}"), "*".to_owned()] {
            let reply = get().header("if-none-match", &known).send().await;
            assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{path} {known}");
            assert_eq!(reply.header("etag"), tag);
        }
        for other in ["\"0\"", "nonsense"] {
            let reply = get().header("if-none-match", other).send().await;
            assert_eq!(reply.status.as_u16(), 200, "{path} {other}");
        }
    }
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    registration(&app, "bob@example.com").send().await;
    let patch = || app.patch(&ada.path()).bearer(&ada.token);
    let whole = |name: &str, age: Value, email: &str| {
        let role = "user";
        json!({ "name": name, "age": age, "email": email, "role": role })
    };
    let email = "ada@example.com";
    check(patch(), json!({}), (200, ""), whole("ada", Value::Null, email)).await;
    check(patch(), json!({ "age": 36 }), (200, ""), whole("ada", json!(36), email)).await;
    check(patch(), json!({ "name": "Ada" }), (200, ""), whole("Ada", json!(36), email)).await;
    check(patch(), json!({ "age": null }), (200, ""), whole("Ada", Value::Null, email)).await;
    let moved = "ADA@example.org";
    check(patch(), json!({ "email": moved }), (200, ""), whole("Ada", Value::Null, moved)).await;

    let taken = json!({ "email": "BOB@example.com", "name": "Bob" });
    check(patch(), taken, (409, "EMAIL_TAKEN"), nothing()).await;
    for invalid in [
        json!({ "name": null }),
        json!({ "email": null }),
        json!({ "role": null }),
        json!({ "name": "" }),
        json!({ "age": 0 }),
        json!({ "role": "root" }),
        json!([]),
    ] {
        check(patch(), invalid, (422, "VALIDATION_FAILED"), nothing()).await;
    }
    check(patch(), json!({}), (200, ""), whole("Ada", Value::Null, moved)).await;
}

#[tokio::test]
async fn only_a_change_makes_a_new_version() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for (change, tag) in [
        (json!({}), "\"1\""),
        (json!({ "name": "ada" }), "\"1\""),
        (json!({ "name": "Ada" }), "\"2\""),
        (json!({ "name": "Ada", "age": null }), "\"2\""),
        (json!({ "age": 1 }), "\"3\""),
    ] {
        let reply = app.patch(&ada.path()).bearer(&ada.token).json(&change).send().await;
        assert_eq!(reply.header("etag"), tag, "{change}");
    }
}

#[tokio::test]
async fn a_role_is_for_administrators_to_change() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let admin = Person::join_as_admin(&app, "root").await;
    for role in ["admin", "user"] {
        let change = json!({ "name": "Countess", "role": role });
        check(app.patch(&ada.path()).bearer(&ada.token), change, (403, "FORBIDDEN"), nothing())
            .await;
    }
    let unchanged = json!({ "name": "ada", "role": "user" });
    check(app.patch(&ada.path()).bearer(&ada.token), json!({}), (200, ""), unchanged).await;
    let promoted = json!({ "role": "admin" });
    let patch = app.patch(&ada.path()).bearer(&admin.token);
    check(patch, promoted.clone(), (200, ""), promoted).await;
}

#[tokio::test]
async fn a_change_is_made_to_the_version_that_the_caller_names() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let mut age = 0;
    for (condition, outcome) in [
        ("\"1\"", (200, "")),
        ("\"1\"", (412, "PRECONDITION_FAILED")),
        ("\"2\"", (200, "")),
        ("\"9\", \"3\"", (200, "")),
        ("*", (200, "")),
        ("W/\"5\"", (412, "PRECONDITION_FAILED")),
        ("5", (412, "PRECONDITION_FAILED")),
        ("garbage", (412, "PRECONDITION_FAILED")),
        ("\"5\"", (200, "")),
    ] {
        age += 1;
        let patch = app.patch(&ada.path()).bearer(&ada.token).header("if-match", condition);
        check(patch, json!({ "age": age }), outcome, nothing()).await;
    }
}

#[tokio::test]
async fn of_changes_to_one_version_exactly_one_is_made() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let sent: Vec<_> = (1..=8)
        .map(|age| {
            let patch = app.patch(&ada.path()).bearer(&ada.token).header("if-match", "\"1\"");
            tokio::spawn(patch.json(&json!({ "age": age })).send())
        })
        .collect();
    let mut won = 0;
    for reply in sent {
        let (status, code) = outcome(&reply.await.expect("no panic"));
        assert!(status == 200 || code == "PRECONDITION_FAILED", "{status} {code}");
        won += u32::from(status == 200);
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let changes = (1..=10).flat_map(|n| {
        let email = format!("ada{n}@example.com");
        [json!({ "age": n }), json!({ "name": format!("Ada {n}") }), json!({ "email": email })]
    });
    let sent: Vec<_> = changes
        .map(|change| {
            let patch = app.patch(&ada.path()).bearer(&ada.token).json(&change);
            (change, tokio::spawn(patch.send()))
        })
        .collect();
    for (change, reply) in sent {
        let reply = reply.await.expect("no panic");
        assert_outcome(&reply, 200, "", &change.to_string());
        let (name, value) = change.as_object().and_then(|c| c.iter().next()).expect("a member");
        assert_eq!(reply.json()[name], *value);
    }
    let last = app.get("/me").bearer(&ada.token).send().await;
    assert_eq!(last.header("etag"), "\"31\"", "every change has made a version");
    let user = last.json();
    assert!(user["age"].is_u64() && user["name"] != "ada" && user["email"] != "ada@example.com");
}

async fn signed_in(app: &TestApp, token: &str) -> u16 {
    app.get("/me").bearer(token).send().await.status.as_u16()
}

#[tokio::test]
async fn removing_a_user_ends_their_sessions_and_frees_the_address() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let other = ada.another_token(&app).await;
    let admin = Person::join_as_admin(&app, "root").await;
    let reply = app.delete(&ada.path()).bearer(&ada.token).send().await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (204, 0));
    for token in [&ada.token, &other] {
        assert_eq!(signed_in(&app, token).await, 401);
    }
    assert_eq!(signed_in(&app, &admin.token).await, 200);
    assert_eq!(app.neighbour().number("SELECT count(*) FROM sessions"), 1);
    let again = log_in_with(&app, &ada.email, crate::support::PASSWORD).send().await;
    assert_outcome(&again, 401, "INVALID_CREDENTIALS", "a removed account");
    let twice = app.delete(&ada.path()).bearer(&admin.token).send().await;
    assert_outcome(&twice, 404, "USER_NOT_FOUND", "removing twice");
    assert_outcome(&registration(&app, &ada.email).send().await, 201, "", "the address is free");
}

#[tokio::test]
async fn a_user_is_removed_only_in_the_state_that_is_named() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let remove =
        |condition| app.delete(&ada.path()).bearer(&ada.token).header("if-match", condition).send();
    let refused = remove("\"7\"").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (412, "PRECONDITION_FAILED"));
    assert_eq!(remove("\"1\"").await.status, 204);
}
