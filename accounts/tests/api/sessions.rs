//! `/sessions`: how they begin, what the tokens open, how they end.

use std::time::Duration;

use accounts::Accounts;
use mainstay_testing::TestApp;
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, Person, UNKNOWN_ID, assert_outcome, comparable, log_in_with, options, registration,
    start, text, until,
};

/// Without a request.
const IDLE: Duration = Duration::from_mins(30);

/// Two weeks.
const LIFETIME: Duration = Duration::from_hours(14 * 24);

/// Asserts which of some tokens sign somebody in.
async fn check(app: &TestApp, tokens: &[(&str, bool)], case: &str) {
    for (at, (token, good)) in tokens.iter().enumerate() {
        let reply = app.get("/me").bearer(token).send().await;
        let expected = if *good { (200, "") } else { (401, "UNAUTHENTICATED") };
        assert_outcome(&reply, expected.0, expected.1, &format!("{case}, token {at}"));
    }
}

async fn sessions(app: &TestApp, token: &str) -> Vec<Value> {
    let reply = app.get("/sessions").bearer(token).send().await;
    assert_outcome(&reply, 200, "", "the list");
    let body = reply.json();
    assert_eq!(body["next_cursor"], Value::Null);
    body["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_log_in_gives_a_token_once() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let reply = log_in_with(&app, "ADA@example.com", PASSWORD).send().await;
    assert_outcome(&reply, 201, "", "the address in another case");
    let session = reply.json();
    let token = text(&session["token"]);
    assert!(token.starts_with("mst_") && token.len() == 53, "{} characters", token.len());
    assert!(token[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_ne!(token, ada.token);
    assert_eq!(reply.header("location"), format!("/sessions/{}", text(&session["id"])));
    check(&app, &[(&token, true), (&ada.token, true)], "a second log-in").await;
    let listed = app.get("/sessions").bearer(&token).send().await;
    let listed = String::from_utf8_lossy(&listed.body).into_owned();
    assert!(!listed.contains(&token) && !listed.contains("mst_"), "{listed}");
    let neighbour = app.neighbour();
    let stored = neighbour.as_text("token_hash");
    let kept = format!("SELECT count(*) FROM sessions WHERE {stored} = '{token}'");
    assert_eq!(neighbour.number(&kept), 0, "only a hash is stored");
}

#[tokio::test]
async fn failed_log_ins_are_alike_whatever_the_reason() {
    let app = start().await;
    Person::join(&app, "ada").await;
    registration(&app, "nopassword@example.com").send().await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("ada@example.com", "not the right one"),
        ("nobody@example.com", PASSWORD),
        ("nopassword@example.com", PASSWORD),
        ("ada@example.com", "Correct horse battery"),
        ("ada@example.com", "x"),
    ] {
        let reply = log_in_with(&app, email, password).send().await;
        assert_outcome(&reply, 401, "INVALID_CREDENTIALS", email);
        answers.push(comparable(&reply));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[tokio::test]
async fn a_log_in_is_held_to_its_contract() {
    let app = start().await;
    let long = "x".repeat(129);
    for (body, expected) in [
        (json!({ "email": "ada", "password": "x" }), "/email not_an_email"),
        (json!({ "email": "ada@example.com", "password": "" }), "/password too_short"),
        (json!({ "email": "ada@example.com", "password": long }), "/password too_long"),
        (json!({ "email": "ada@example.com" }), "/password required"),
        (json!({ "email": "a@b.example", "password": "x", "remember": true }), " unknown_field"),
    ] {
        let reply = app.post("/sessions").json(&body).send().await;
        assert_outcome(&reply, 422, "VALIDATION_FAILED", &body.to_string());
        let (_, pointer, code) = &reply.fields()[0];
        assert_eq!(format!("{pointer} {code}"), expected);
    }
}

#[tokio::test]
async fn a_token_with_any_one_character_changed_opens_nothing() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for at in 0..ada.token.len() {
        let mut changed = ada.token.clone();
        let other = if &changed[at..=at] == "x" { "y" } else { "x" };
        changed.replace_range(at..=at, other);
        check(&app, &[(&changed, false)], &format!("changed at {at}")).await;
    }
    let (cut, longer) = (&ada.token[..52], format!("{}0", ada.token));
    check(&app, &[(cut, false), (&longer, false), (&ada.token, true)], "other lengths").await;
}

#[tokio::test]
async fn a_credential_is_one_bearer_token() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let with = |values: &[String]| {
        let call = app.get("/me");
        values.iter().fold(call, |call, value| call.header("authorization", value))
    };
    let token = &ada.token;
    let invalid = "Bearer error=\"invalid_token\"";
    for (values, status, challenge) in [
        (vec![], 401, "Bearer"),
        (vec![format!("Bearer {token}")], 200, ""),
        (vec![format!("bEaReR  {token}")], 200, ""),
        (vec![format!("Basic {token}")], 401, "Bearer"),
        (vec![token.clone()], 401, "Bearer"),
        (vec!["Bearer ".to_owned()], 401, invalid),
        (vec![format!("Bearer {}", "x".repeat(4000))], 401, invalid),
        (vec![format!("Bearer {token}"), format!("Bearer {token}")], 401, invalid),
    ] {
        let reply = with(&values).send().await;
        let found = (reply.status.as_u16(), reply.header("www-authenticate"));
        assert_eq!(found, (status, challenge), "{values:?}");
    }
    let in_query = app.get(&format!("/me?access_token={token}")).send().await;
    assert_outcome(&in_query, 401, "UNAUTHENTICATED", "a token in the query is none");
}

#[tokio::test]
async fn the_list_shows_the_newest_first_and_marks_the_current_one() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    app.advance(Duration::from_secs(1));
    let second = ada.another_token(&app).await;
    Person::join(&app, "eve").await;
    let listed = sessions(&app, &ada.token).await;
    let current: Vec<_> = listed.iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [false, true]);
    assert_eq!(sessions(&app, &second).await[0]["current"], true);
}

#[tokio::test]
async fn a_session_ends_alone_currently_or_with_all_others() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let mut tokens = vec![ada.token.clone()];
    for _ in 0..3 {
        app.advance(Duration::from_secs(1));
        tokens.push(ada.another_token(&app).await);
    }
    let [first, second, third, fourth] = &tokens[..] else { panic!("four log-ins") };
    let oldest = text(&sessions(&app, fourth).await[3]["id"]);
    let end = |path: String, token: &str| app.delete(&path).bearer(token).send();

    let reply = end(format!("/sessions/{oldest}"), fourth).await;
    assert_outcome(&reply, 204, "", "one of the caller's");
    check(&app, &[(first, false), (second, true), (third, true), (fourth, true)], "one").await;
    let again = end(format!("/sessions/{oldest}"), fourth).await;
    assert_outcome(&again, 404, "SESSION_NOT_FOUND", "ended before");

    assert_outcome(&end("/sessions/current".to_owned(), second).await, 204, "", "log out");
    check(&app, &[(second, false), (third, true), (fourth, true)], "the current one").await;
    assert_outcome(&end("/sessions".to_owned(), third).await, 204, "", "log out everywhere");
    check(&app, &[(third, false), (fourth, false)], "all").await;
}

#[tokio::test]
async fn a_session_of_somebody_else_is_not_found() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let admin = Person::join_as_admin(&app, "root").await;
    let id = text(&sessions(&app, &ada.token).await[0]["id"]);
    let end = |id: &str, token: &str| app.delete(&format!("/sessions/{id}")).bearer(token).send();
    let foreign = end(&id, &admin.token).await;
    assert_outcome(&foreign, 404, "SESSION_NOT_FOUND", "an administrator is nobody here");
    assert_eq!(comparable(&foreign), comparable(&end(UNKNOWN_ID, &admin.token).await));
    assert_outcome(&end("1", &admin.token).await, 422, "VALIDATION_FAILED", "no id");
    check(&app, &[(&ada.token, true)], "after the attempts").await;
}

/// A service whose sessions may be idle as long as they last.
async fn start_patient() -> TestApp {
    let seconds = LIFETIME.as_secs().to_string();
    let options = options().with("MAINSTAY_SESSIONS__IDLE_TIMEOUT_SECONDS", &seconds);
    TestApp::start_with::<Accounts>(options).await
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_for_half_an_hour() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let other = ada.another_token(&app).await;
    for minutes in [20, 40, 60] {
        app.advance(Duration::from_mins(20));
        check(&app, &[(&ada.token, true)], &format!("used, after {minutes} minutes")).await;
        // The use is noted behind the answer.
        let neighbour = app.neighbour();
        let due = neighbour.moved("created_at", minutes * 60_000_000_i64);
        let noted = format!("SELECT count(*) FROM sessions WHERE last_used_at >= {due}");
        until("the use is noted", async || (neighbour.number(&noted) == 1).then_some(())).await;
    }
    check(&app, &[(&other, false)], "not used").await;
    assert_eq!(sessions(&app, &ada.token).await.len(), 1, "one that is over is not listed");
    app.advance(IDLE);
    check(&app, &[(&ada.token, false)], "not used any longer").await;
}

#[tokio::test]
async fn a_session_ends_after_two_weeks_used_or_not() {
    let app = start_patient().await;
    let ada = Person::join(&app, "ada").await;
    app.advance(LIFETIME.saturating_sub(Duration::from_micros(1)));
    check(&app, &[(&ada.token, true)], "the last microsecond").await;
    let fresh = ada.another_token(&app).await;
    app.advance(Duration::from_micros(1));
    check(&app, &[(&ada.token, false), (&fresh, true)], "two weeks").await;
    assert_eq!(sessions(&app, &fresh).await.len(), 1, "an expired one is not listed");
    app.advance(LIFETIME);
    check(&app, &[(&ada.token, false), (&fresh, false)], "four weeks").await;
}

#[tokio::test]
async fn a_change_of_role_counts_from_the_next_request() {
    let app = start().await;
    let root = Person::join_as_admin(&app, "root").await;
    let ada = Person::join(&app, "ada").await;
    for (role, status) in [("user", 403), ("admin", 200), ("user", 403)] {
        let change = app.patch(&ada.path()).bearer(&root.token).json(&json!({ "role": role }));
        assert_outcome(&change.send().await, 200, "", role);
        let reply = app.get("/users").bearer(&ada.token).send().await;
        assert_eq!(reply.status.as_u16(), status, "as {role}");
    }
}

#[tokio::test]
async fn an_account_has_100_sessions_and_then_loses_the_oldest() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let mut last = String::new();
    for _ in 0..100 {
        app.advance(Duration::from_millis(1));
        last = ada.another_token(&app).await;
    }
    check(&app, &[(&ada.token, false), (&last, true)], "the hundred and first").await;
    assert_eq!(sessions(&app, &last).await.len(), 100);
}

#[tokio::test]
async fn the_list_tells_devices_apart_and_all_others_end_at_once() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let mut tokens = vec![ada.token.clone()];
    for user_agent in [firefox, "curl/8.5.0", "<script>zq</script>"] {
        app.advance(Duration::from_secs(1));
        let call = log_in_with(&app, &ada.email, PASSWORD).header("user-agent", user_agent);
        tokens.push(text(&call.send().await.json()["token"]));
    }
    let listed = sessions(&app, &tokens[1]).await;
    let devices: Vec<_> = listed.iter().map(|session| text(&session["device"])).collect();
    assert_eq!(devices, ["unknown", "curl", "Firefox on Linux", "unknown"]);
    let reply = app.delete("/sessions/others").bearer(&tokens[1]).send().await;
    assert_outcome(&reply, 204, "", "all others");
    let kept: Vec<_> = (0..4).map(|at| (tokens[at].as_str(), at == 1)).collect();
    check(&app, &kept, "all but the one that asked").await;
}

#[tokio::test]
async fn a_log_in_ends_the_session_that_it_is_sent_with() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let other = ada.another_token(&app).await;
    let wrong = log_in_with(&app, &ada.email, "not the right one").bearer(&ada.token).send().await;
    assert_outcome(&wrong, 401, "INVALID_CREDENTIALS", "a slip");
    check(&app, &[(&ada.token, true)], "a slip ends nothing").await;
    let right = log_in_with(&app, &ada.email, PASSWORD).bearer(&ada.token).send().await;
    let fresh = text(&right.json()["token"]);
    check(&app, &[(&ada.token, false), (&other, true), (&fresh, true)], "a log-in").await;
}

#[tokio::test]
async fn an_administrator_ends_the_sessions_of_anybody() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let other = ada.another_token(&app).await;
    let eve = Person::join(&app, "eve").await;
    let admin = Person::join_as_admin(&app, "root").await;
    let end =
        |id: &str, token: &str| app.delete(&format!("/users/{id}/sessions")).bearer(token).send();
    assert_outcome(&end(&ada.id, &eve.token).await, 403, "FORBIDDEN", "a stranger");
    check(&app, &[(&ada.token, true), (&other, true)], "after the attempt").await;
    assert_outcome(&end(&ada.id, &admin.token).await, 204, "", "an administrator");
    assert_outcome(&end(UNKNOWN_ID, &admin.token).await, 204, "", "nobody has none");
    let ended =
        [(&*ada.token, false), (&*other, false), (&*eve.token, true), (&*admin.token, true)];
    check(&app, &ended, "nobody else's").await;
}
