//! Whoever guesses at passwords is slowed down, then stopped, and learns nothing meanwhile.

use std::time::Duration;

use accounts::Accounts;
use mainstay::passwords::{PasswordCost, PasswordOptions};
use mainstay_testing::{Reply, TestApp};
use serde_json::json;

use crate::{
    process::run,
    support::{PASSWORD, Person, assert_outcome, comparable, log_in_with, options, outcome, start},
};

const WRONG: &str = "not the right one";

async fn guess(app: &TestApp, email: &str) -> Reply {
    log_in_with(app, email, WRONG).send().await
}

/// An answer without what two of them may differ in: the exact wait is the clock's.
fn alike(reply: &Reply) -> String {
    let text = comparable(reply);
    let wait = reply.json()["retry_after_ms"].to_string();
    text.replace(&wait, "WAIT")
}

#[tokio::test]
async fn guesses_are_delayed_ever_longer_then_stopped_and_nobody_can_tell_who_exists() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let (mut wrong, mut longest) = (0, 0);
    loop {
        let known = guess(&app, &ada.email).await;
        let unknown = guess(&app, "nobody@example.com").await;
        assert_eq!(alike(&known), alike(&unknown), "after {wrong} guesses");
        match outcome(&known) {
            (401, code) => {
                assert_eq!(code, "INVALID_CREDENTIALS");
                wrong += 1;
            }
            (429, code) => {
                assert_eq!(code, "TOO_MANY_FAILURES");
                let wait: u64 = known.header("retry-after").parse().expect("seconds");
                assert!(wait >= longest, "{wait} s after {longest} s");
                longest = wait;
                app.advance(Duration::from_secs(wait));
            }
            ended => {
                assert_eq!(ended, (403, "PASSWORD_LOCKED".to_owned()));
                break;
            }
        }
        assert!(wrong <= 100, "{wrong} guesses were looked at");
    }
    assert_eq!((wrong, longest), (100, 900));
    for email in [&ada.email, "nobody@example.com"] {
        let right = log_in_with(&app, email, PASSWORD).send().await;
        assert_outcome(&right, 403, "PASSWORD_LOCKED", "the right password comes too late");
    }
}

#[tokio::test]
async fn a_burst_of_guesses_from_many_addresses_gains_nothing_and_locks_nobody_out() {
    let passwords = PasswordOptions {
        cost: PasswordCost::LEAST,
        queue_max: 1000,
        ..PasswordOptions::default()
    };
    let options = options().with("MAINSTAY_HTTP__TRUSTED_PROXIES", "127.0.0.0/8");
    let app = TestApp::start_with::<Accounts>(options.with_passwords(passwords)).await;
    let ada = Person::join(&app, "ada").await;
    let burst = (0..250).map(|at| {
        let call = log_in_with(&app, &ada.email, WRONG);
        let call = call.header("x-forwarded-for", &format!("198.51.100.{at}"));
        tokio::spawn(async move { outcome(&call.send().await) })
    });
    let mut looked_at = 0;
    for guess in burst.collect::<Vec<_>>() {
        match guess.await.expect("no panic") {
            (401, _) => looked_at += 1,
            refused => assert_eq!(refused, (429, "TOO_MANY_FAILURES".to_owned())),
        }
    }
    assert_eq!(looked_at, 20);
    app.advance(Duration::from_secs(1));
    assert_outcome(&log_in_with(&app, &ada.email, PASSWORD).send().await, 201, "", "the owner");
}

/// Guesses until the log-in of an account is locked.
async fn lock(app: &TestApp, email: &str) {
    while guess(app, email).await.code() != "PASSWORD_LOCKED" {
        app.advance(Duration::from_mins(15));
    }
}

#[tokio::test]
async fn a_live_session_goes_on_and_opens_the_log_in_again() {
    let month = Duration::from_hours(31 * 24).as_secs().to_string();
    let options = options()
        .with("MAINSTAY_SESSIONS__IDLE_TIMEOUT_SECONDS", &month)
        .with("MAINSTAY_SESSIONS__LIFETIME_SECONDS", &month);
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    lock(&app, &ada.email).await;
    assert_outcome(&app.get("/me").bearer(&ada.token).send().await, 200, "", "the session");
    let new = "battery staple correct";
    let change = json!({ "current": PASSWORD, "new": new });
    let changed = app.post("/me/password").bearer(&ada.token).json(&change).send().await;
    assert_outcome(&changed, 204, "", "a new password");
    assert_outcome(&log_in_with(&app, &ada.email, new).send().await, 201, "", "the log-in");
}

#[tokio::test]
async fn an_operator_opens_a_locked_log_in() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    lock(&app, &ada.email).await;
    let environment = [("DATABASE_URL", app.database().url())];
    let unlock = |email: &str| run(&["admin", "unlock", "--email", email], &environment, "");
    let unknown = unlock("nobody@example.com");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("no account has this e-mail address"), "{}", unknown.stderr);
    let done = unlock("ADA@example.com");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    assert_outcome(&log_in_with(&app, &ada.email, PASSWORD).send().await, 201, "", "unlocked");
}

#[tokio::test]
async fn failures_are_remembered_by_the_next_process_and_forgotten_by_a_success() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for _ in 0..20 {
        assert_outcome(&guess(&app, &ada.email).await, 401, "INVALID_CREDENTIALS", "free");
    }
    let (_, database) = app.stop().await;
    let app = TestApp::start_with::<Accounts>(options().at(database)).await;
    assert_outcome(&guess(&app, &ada.email).await, 429, "TOO_MANY_FAILURES", "one more");
    app.advance(Duration::from_secs(2));
    assert_outcome(&log_in_with(&app, &ada.email, PASSWORD).send().await, 201, "", "the owner");
    for _ in 0..20 {
        assert_outcome(&guess(&app, &ada.email).await, 401, "INVALID_CREDENTIALS", "free again");
    }
}

#[tokio::test]
async fn a_stolen_session_does_not_open_the_present_password_to_guesses() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let change = async |current: &str| {
        let body = json!({ "current": current, "new": "battery staple correct" });
        outcome(&app.post("/me/password").bearer(&ada.token).json(&body).send().await)
    };
    for at in 0..20 {
        // Another address is no new beginning.
        let email = json!({ "email": format!("ada{at}@example.com") });
        let moved = app.patch(&ada.path()).bearer(&ada.token).json(&email).send().await;
        assert_outcome(&moved, 200, "", "another address");
        assert_eq!(change(WRONG).await, (403, "WRONG_PASSWORD".to_owned()));
    }
    assert_eq!(change(WRONG).await, (429, "TOO_MANY_FAILURES".to_owned()));
    let counted_apart = guess(&app, "ada19@example.com").await;
    assert_outcome(&counted_apart, 401, "INVALID_CREDENTIALS", "the log-in");
    app.advance(Duration::from_secs(1));
    let owner = log_in_with(&app, "ada19@example.com", PASSWORD).send().await;
    assert_outcome(&owner, 201, "", "the owner");
    assert_eq!(change(WRONG).await, (403, "WRONG_PASSWORD".to_owned()), "which forgets these too");
}

#[tokio::test]
async fn guesses_at_the_present_password_end_as_well() {
    let month = Duration::from_hours(31 * 24).as_secs().to_string();
    let options = options()
        .with("MAINSTAY_SESSIONS__IDLE_TIMEOUT_SECONDS", &month)
        .with("MAINSTAY_SESSIONS__LIFETIME_SECONDS", &month);
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    let guess = || {
        let body = json!({ "current": WRONG, "new": "battery staple correct" });
        app.post("/me/password").bearer(&ada.token).json(&body).send()
    };
    let mut looked_at = 0;
    while guess().await.code() == "WRONG_PASSWORD" {
        looked_at += 1;
        app.advance(Duration::from_mins(15));
        assert!(looked_at <= 100, "{looked_at} guesses were looked at");
    }
    assert_outcome(&guess().await, 403, "PASSWORD_LOCKED", "one more");
}
