//! `GET /users`: pages, their order, and the filter.

use std::{collections::HashSet, time::Duration};

use mainstay_testing::TestApp;
use serde_json::Value;

use crate::support::{Person, assert_outcome, registration, start, text};

/// Asks for a page and compares the parameter at fault and the code of each field problem.
async fn check(app: &TestApp, admin: &Person, query: &str, expected: &[(&str, &str)]) {
    let reply = app.get(&format!("/users?{query}")).bearer(&admin.token).send().await;
    assert_outcome(&reply, 422, "VALIDATION_FAILED", query);
    let found = reply.fields();
    let found: Vec<_> =
        found.iter().map(|(at, p, code)| (at.as_str(), &p[..], &code[..])).collect();
    let expected: Vec<_> = expected.iter().map(|(p, code)| ("query", *p, *code)).collect();
    assert_eq!(found, expected, "{query}");
}

async fn page(app: &TestApp, admin: &Person, query: &str) -> (Vec<String>, Option<String>) {
    let reply = app.get(&format!("/users?{query}")).bearer(&admin.token).send().await;
    assert_outcome(&reply, 200, "", query);
    let body = reply.json();
    let emails = body["items"].as_array().expect("a list").iter().map(|user| text(&user["email"]));
    (emails.collect(), body["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_walk_meets_everybody_exactly_once_while_others_register() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    let mut present = vec![admin.email.clone()];
    for n in 0..23 {
        // Some of them in the same instant: then the id decides.
        app.advance(Duration::from_micros(n % 3));
        let email = format!("user{n}@example.com");
        registration(&app, &email).send().await;
        present.push(email);
    }
    for limit in [1, 4, 24, 100] {
        let mut met = Vec::new();
        let mut query = format!("limit={limit}");
        loop {
            let (emails, next) = page(&app, &admin, &query).await;
            assert!(emails.len() <= limit);
            met.extend(emails);
            registration(&app, &format!("late{limit}-{}@example.com", met.len())).send().await;
            app.advance(Duration::from_micros(1));
            let Some(cursor) = next else { break };
            query = format!("limit={limit}&cursor={cursor}");
        }
        let distinct: HashSet<_> = met.iter().collect();
        assert_eq!(distinct.len(), met.len(), "limit {limit}: nobody twice");
        for email in &present {
            assert!(distinct.contains(email), "limit {limit}: {email} is missing");
        }
    }
}

#[tokio::test]
async fn the_newest_comes_first() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    let mut expected = vec![admin.email.clone()];
    for n in 0..5 {
        app.advance(Duration::from_secs(1));
        let email = format!("user{n}@example.com");
        registration(&app, &email).send().await;
        expected.insert(0, email);
    }
    assert_eq!(page(&app, &admin, "").await, (expected, None));
}

#[tokio::test]
async fn a_page_has_20_users_unless_the_caller_says_otherwise() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    for n in 0..20 {
        registration(&app, &format!("user{n}@example.com")).send().await;
    }
    let (first, next) = page(&app, &admin, "").await;
    assert_eq!(first.len(), 20);
    let rest = page(&app, &admin, &format!("cursor={}", next.expect("one more"))).await;
    assert_eq!((rest.0.len(), rest.1), (1, None));
}

#[tokio::test]
async fn the_filter_finds_an_address_in_any_case() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    registration(&app, "Ada+test@Example.com").send().await;
    for query in ["email=ada%2Btest@example.com", "email=ADA%2bTEST%40EXAMPLE.COM&limit=1"] {
        let found = page(&app, &admin, query).await;
        assert_eq!(found, (vec!["Ada+test@Example.com".to_owned()], None), "{query}");
    }
    assert_eq!(page(&app, &admin, "email=nobody@example.com").await, (Vec::new(), None));
}

#[tokio::test]
async fn a_query_that_breaks_the_contract_is_refused() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    registration(&app, "ada@example.com").send().await;
    let (_, cursor) = page(&app, &admin, "limit=1").await;
    let good = cursor.expect("there are more");
    let cut = format!("cursor={}", &good[1..]);
    let other_version = format!("cursor=B{}", &good[1..]);
    for (query, expected) in [
        ("limit=0", ("/limit", "too_small")),
        ("limit=101", ("/limit", "too_large")),
        ("limit=ten", ("/limit", "wrong_type")),
        ("limit=", ("/limit", "wrong_type")),
        ("email=ada", ("/email", "not_an_email")),
        ("page=2", ("", "unknown_field")),
        ("cursor=", ("/cursor", "bad_pattern")),
        ("cursor=nonsense", ("/cursor", "bad_pattern")),
        (&cut, ("/cursor", "bad_pattern")),
        (&other_version, ("/cursor", "bad_pattern")),
        ("limit=%ff", ("/limit", "bad_encoding")),
        ("limit=1&limit=2", ("/limit", "duplicate_field")),
    ] {
        check(&app, &admin, query, &[expected]).await;
    }
    check(&app, &admin, "limit=0&email=x", &[("/email", "not_an_email"), ("/limit", "too_small")])
        .await;
    check(&app, &admin, "limit=0&cursor=x", &[("/cursor", "bad_pattern"), ("/limit", "too_small")])
        .await;
}

#[tokio::test]
async fn a_listed_user_looks_like_a_fetched_one() {
    let app = start().await;
    let admin = Person::join_as_admin(&app, "root").await;
    let listed = app.get("/users").bearer(&admin.token).send().await.json();
    let fetched: Value = app.get("/me").bearer(&admin.token).send().await.json();
    assert_eq!(listed["items"][0], fetched);
}
