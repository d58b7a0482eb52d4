//! Passwords: which are taken, and how one is replaced.

use accounts::Accounts;
use mainstay::passwords::{PasswordCost, PasswordOptions};
use mainstay_testing::{Reply, TestApp};
use serde_json::json;

use crate::support::{
    PASSWORD, Person, assert_outcome, log_in_with, options, outcome, register, start,
};

const NEW: &str = "battery staple correct";

async fn change(app: &TestApp, token: &str, current: &str, new: &str) -> Reply {
    let body = json!({ "current": current, "new": new });
    app.post("/me/password").bearer(token).json(&body).send().await
}

async fn status_of_log_in(app: &TestApp, email: &str, password: &str) -> u16 {
    log_in_with(app, email, password).send().await.status.as_u16()
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_every_session() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let other = ada.another_token(&app).await;
    let eve = Person::join(&app, "eve").await;
    let wrong = change(&app, &ada.token, "not the right one", NEW).await;
    assert_outcome(&wrong, 403, "WRONG_PASSWORD", "a guess");
    assert_outcome(&change(&app, &ada.token, PASSWORD, NEW).await, 204, "", "the right one");
    for (token, status) in [(&ada.token, 401), (&other, 401), (&eve.token, 200)] {
        let me = app.get("/me").bearer(token).send().await;
        assert_eq!(me.status.as_u16(), status);
    }
    assert_eq!(status_of_log_in(&app, &ada.email, PASSWORD).await, 401);
    assert_eq!(status_of_log_in(&app, &ada.email, NEW).await, 201);
}

#[tokio::test]
async fn a_password_that_anybody_would_guess_is_refused_wherever_one_is_set() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for password in [
        "passwordpassword",
        "PASSWORD12345678",
        "123456789012345",
        "adalovelace1815",
        "ada@example.com",
    ] {
        let body =
            json!({ "email": "ada@example.com", "name": "Ada Lovelace", "password": password });
        let reply = register(&app, &body).await;
        assert_outcome(&reply, 409, "PASSWORD_TOO_COMMON", password);
        assert!(!String::from_utf8_lossy(&reply.body).contains(password), "it is not repeated");
    }
    let changed = change(&app, &ada.token, PASSWORD, "qwertyuiopasdfgh").await;
    assert_outcome(&changed, 409, "PASSWORD_TOO_COMMON", "a change");
    assert_eq!(status_of_log_in(&app, &ada.email, PASSWORD).await, 201, "nothing has changed");
}

#[tokio::test]
async fn a_password_is_the_same_however_its_accents_are_typed() {
    let app = start().await;
    let composed = "Gr\u{fc}\u{df}e aus K\u{f6}ln am Rhein";
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": composed });
    assert_outcome(&register(&app, &body).await, 201, "", "composed");
    let decomposed = "Gru\u{308}\u{df}e aus Ko\u{308}ln am Rhein";
    assert_eq!(status_of_log_in(&app, "ada@example.com", decomposed).await, 201);
}

#[tokio::test]
async fn an_operator_may_allow_eight_characters_and_not_fewer() {
    let options = options().with("MAINSTAY_USERS__PASSWORD_LENGTH_MIN", "8");
    let app = TestApp::start_with::<Accounts>(options).await;
    let joining = async |password: &str| {
        let email = format!("user{}@example.com", password.len());
        let body = json!({ "email": email, "name": "Ada", "password": password });
        outcome(&register(&app, &body).await)
    };
    assert_eq!(joining("kT9-vv2").await, (422, "VALIDATION_FAILED".to_owned()));
    assert_eq!(joining("kT9-vv2q").await, (201, String::new()));
    assert_eq!(joining("p4ssw0rd!").await, (409, "PASSWORD_TOO_COMMON".to_owned()));
    let document = app.get("/openapi.json").send().await.json();
    let password = &document["components"]["schemas"]["CreateUser"]["properties"]["password"];
    assert_eq!(password["minLength"], 8, "{password}");
}

/// The parameters of a user's hash, as they are stored.
fn cost_of(app: &TestApp, email: &str, parameters: &str) -> bool {
    let count = format!(
        "SELECT count(*) FROM users WHERE email = '{email}' AND password_hash LIKE '%{parameters}%'"
    );
    app.neighbour().number(&count) == 1
}

#[tokio::test]
async fn a_hash_is_made_anew_at_the_log_in_after_the_cost_has_risen() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let cheap = PasswordCost::LEAST;
    assert!(cost_of(&app, &ada.email, &format!("m={},t={}", cheap.memory_kib, cheap.passes)));
    let (_, database) = app.stop().await;
    let dear = PasswordCost { passes: 2, ..cheap };
    let options = options()
        .with_passwords(PasswordOptions { cost: dear, ..PasswordOptions::default() })
        .at(database);
    let app = TestApp::start_with::<Accounts>(options).await;
    assert_eq!(status_of_log_in(&app, &ada.email, "not the right one").await, 401);
    let dear = format!("m={},t={}", dear.memory_kib, dear.passes);
    assert!(!cost_of(&app, &ada.email, &dear));
    assert_eq!(status_of_log_in(&app, &ada.email, PASSWORD).await, 201);
    assert!(cost_of(&app, &ada.email, &dear));
    assert_eq!(app.get("/me").bearer(&ada.token).send().await.status, 200, "sessions go on");
    assert_eq!(status_of_log_in(&app, &ada.email, PASSWORD).await, 201);
}
