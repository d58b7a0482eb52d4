//! `POST /users`: what is taken, what is refused, and what is said about it.

use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_testing::TestApp;
use serde_json::json;

use crate::support::{Person, assert_outcome, register, registration, start, text};

/// Registers with members beside a fresh e-mail address, and compares `pointer code` of every field
/// problem; without any the registration has to succeed.
async fn check(app: &TestApp, members: &str, expected: &[&str]) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let body = format!(r#"{{"email":"fresh{number}@example.com",{members}}}"#);
    check_whole(app, &body, expected).await;
}

/// The same with a body of its own.
async fn check_whole(app: &TestApp, body: &str, expected: &[&str]) {
    let reply = app.post("/users").body("application/json", body.to_owned()).send().await;
    if expected.is_empty() {
        return assert_outcome(&reply, 201, "", body);
    }
    assert_outcome(&reply, 422, "VALIDATION_FAILED", body);
    let fields = reply.fields();
    assert!(fields.iter().all(|(place, ..)| place == "body"), "{body}");
    let found: Vec<_> =
        fields.iter().map(|(_, pointer, code)| format!("{pointer} {code}")).collect();
    assert_eq!(found, expected, "{body}");
}

/// A member whose value is a text of so many characters.
fn member(name: &str, character: char, count: usize) -> String {
    let text = character.to_string().repeat(count);
    format!(r#""{name}":"{text}""#)
}

#[tokio::test]
async fn a_registration_is_answered_with_the_user_and_the_place_to_fetch_it() {
    let app = start().await;
    let body = json!({
        "email": "Ada@Example.com", "name": "Ada Lovelace", "age": 36,
        "password": "correct horse battery",
    });
    let reply = register(&app, &body).await;
    assert_outcome(&reply, 201, "", "a registration");
    let user = reply.json();
    let expected = json!({
        "id": user["id"], "email": "Ada@Example.com", "name": "Ada Lovelace", "age": 36,
        "role": "user", "created_at": user["created_at"],
    });
    assert_eq!(user, expected);
    assert_eq!(reply.header("location"), format!("/users/{}", text(&user["id"])));

    let token = crate::support::log_in(&app, "ada@example.com").await;
    let fetched = app.get(reply.header("location")).bearer(&token).send().await;
    assert_outcome(&fetched, 200, "", "the place of the answer");
    assert_eq!(fetched.json(), user);
}

#[tokio::test]
async fn an_address_is_taken_in_any_case() {
    let app = start().await;
    assert_outcome(&registration(&app, "ada@example.com").send().await, 201, "", "the first");
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@example.Com"] {
        let reply = registration(&app, email).send().await;
        assert_outcome(&reply, 409, "EMAIL_TAKEN", email);
        assert!(!String::from_utf8_lossy(&reply.body).contains(email), "{email} is echoed");
    }
    assert_eq!(app.neighbour().number("SELECT count(*) FROM users"), 1);
}

#[tokio::test]
async fn of_registrations_at_the_same_time_one_gets_the_address() {
    let app = start().await;
    let send = || tokio::spawn(registration(&app, "ada@example.com").send());
    let mut statuses = Vec::new();
    for sent in [send(), send(), send(), send(), send(), send()] {
        statuses.push(sent.await.expect("no panic").status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn every_problem_is_named_at_once_and_no_value_is_repeated() {
    let app = start().await;
    let body = r#"{"email":"zebra","name":"","age":0,"password":"walrus"}"#;
    let expected =
        ["/age too_small", "/email not_an_email", "/name too_short", "/password too_short"];
    check_whole(&app, body, &expected).await;
    let body = r#"{"email":"zebra","name":"ocelot\nibex","walrus":"gecko"}"#;
    check_whole(&app, body, &[" unknown_field", "/email not_an_email", "/name bad_pattern"]).await;
    let reply = app.post("/users").body("application/json", body).send().await;
    let answer = String::from_utf8_lossy(&reply.body).into_owned();
    for sent in ["zebra", "ocelot", "ibex", "walrus", "gecko"] {
        assert!(!answer.contains(sent), "{sent} is repeated: {answer}");
    }
    check_whole(&app, "{}", &["/email required", "/name required"]).await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_a_field_problem() {
    let app = start().await;
    for wrong in ["1", "true", "[]", "{}"] {
        for name in ["name", "password"] {
            let pair = if name == "name" { "" } else { r#","name":"Ada""# };
            let expected = format!("/{name} wrong_type");
            check(&app, &format!(r#""{name}":{wrong}{pair}"#), &[&expected]).await;
        }
    }
    check(&app, r#""name":null"#, &["/name wrong_type"]).await;
    check_whole(&app, r#"{"email":7,"name":"Ada"}"#, &["/email wrong_type"]).await;
    for body in ["[]", "\"text\"", "7", "null"] {
        check_whole(&app, body, &[" wrong_type"]).await;
    }
}

#[tokio::test]
async fn a_member_that_is_given_twice_is_refused() {
    let app = start().await;
    check(&app, r#""name":"Ada","name":"Ada""#, &["/name duplicate_field"]).await;
    check(&app, r#""name":"Ada","email":"b@example.com""#, &["/email duplicate_field"]).await;
    check(&app, r#""name":"Ada","name":"Bob""#, &["/name duplicate_field"]).await;
}

#[tokio::test]
async fn a_name_has_1_to_100_characters_of_any_script() {
    let app = start().await;
    for character in ['a', 'é', '李', '😀'] {
        check(&app, &member("name", character, 1), &[]).await;
        check(&app, &member("name", character, 100), &[]).await;
        check(&app, &member("name", character, 101), &["/name too_long"]).await;
    }
    check(&app, &member("name", 'a', 0), &["/name too_short"]).await;
    check(&app, r#""name":" ""#, &["/name bad_pattern"]).await;
    check(&app, r#""name":"Ada\u001b[2J""#, &["/name bad_pattern"]).await;
}

#[tokio::test]
async fn an_age_is_a_positive_integer_of_32_bits() {
    let app = start().await;
    for (age, expected) in [
        ("0", "/age too_small"),
        ("-1", "/age too_small"),
        ("4294967296", "/age too_large"),
        ("99999999999999999999", "/age too_large"),
        ("1.5", "/age wrong_type"),
        ("\"1\"", "/age wrong_type"),
        ("true", "/age wrong_type"),
    ] {
        check(&app, &format!(r#""name":"Ada","age":{age}"#), &[expected]).await;
    }
    // JSON Schema counts 1.0 among the integers.
    for age in ["1", "1.0", "4294967295", "null"] {
        check(&app, &format!(r#""name":"Ada","age":{age}"#), &[]).await;
    }
}

#[tokio::test]
async fn a_password_has_15_to_128_characters_of_any_script() {
    let app = start().await;
    for character in ['a', ' ', 'é', '😀'] {
        let with_name =
            |count| format!("{},\"name\":\"Ada\"", member("password", character, count));
        check(&app, &with_name(14), &["/password too_short"]).await;
        check(&app, &with_name(15), &[]).await;
        check(&app, &with_name(128), &[]).await;
        check(&app, &with_name(129), &["/password too_long"]).await;
    }
}

#[tokio::test]
async fn a_password_counts_to_its_last_character() {
    let app = start().await;
    let long = "é".repeat(127);
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": format!("{long}a") });
    assert_outcome(&register(&app, &body).await, 201, "", "a long password");
    for (last, status) in [("a", 201), ("b", 401), ("", 401)] {
        let log_in = crate::support::log_in_with(&app, "ada@example.com", &format!("{long}{last}"));
        assert_eq!(log_in.send().await.status.as_u16(), status, "ending in {last:?}");
    }
}

#[tokio::test]
async fn a_registration_says_nothing_about_others() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let reply = registration(&app, "bob@example.com").bearer(&ada.token).send().await;
    let answer = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!answer.contains(&ada.id) && !answer.contains("password"), "{answer}");
}
