//! Cookie mode: what a browser gets, and what a page of another site cannot do with it.

use accounts::Accounts;
use mainstay_testing::{Call, Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{
    PASSWORD, Person, assert_outcome, log_in_with, options, outcome, register, start,
};

const APP: &str = "https://app.example.com";

async fn browsers() -> TestApp {
    let options = options()
        .with("MAINSTAY_HTTP__SESSION_TRANSPORT", "cookie")
        .with("MAINSTAY_HTTP__CORS_ORIGINS", APP);
    TestApp::start_with::<Accounts>(options).await
}

async fn join(app: &TestApp, name: &str) -> String {
    let email = format!("{name}@example.com");
    let body = json!({ "email": email, "name": name, "password": PASSWORD });
    assert_outcome(&register(app, &body).await, 201, "", "a registration");
    cookie(&log_in_with(app, &email, PASSWORD).send().await)
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(reply: &Reply) -> String {
    reply.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

/// The origin of the service itself.
fn own_origin(app: &TestApp) -> String {
    format!("http://{}", app.instance().api_address())
}

#[tokio::test]
async fn a_log_in_sets_a_cookie_that_no_script_reads_and_shows_no_token() {
    let app = browsers().await;
    join(&app, "ada").await;
    let reply = log_in_with(&app, "ada@example.com", PASSWORD).send().await;
    assert_outcome(&reply, 201, "", "a log-in");
    let set = reply.header("set-cookie");
    let (value, attributes) = set.split_once("; ").expect("attributes");
    assert!(value.starts_with("__Host-session=mst_"), "the name");
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Strict", "Secure"]);
    assert_eq!(reply.json()["token"], Value::Null);
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(!body.contains("mst_"), "{body}");
}

#[tokio::test]
async fn the_cookie_signs_in_and_is_taken_back_at_every_end() {
    let app = browsers().await;
    for (path, method) in
        [("/sessions/current", "DELETE"), ("/sessions", "DELETE"), ("/me/password", "POST")]
    {
        let name = path.replace('/', "x");
        let session = join(&app, &name).await;
        let signed = |method: &str, path: &str| {
            let call = app.call(method.parse().expect("a method"), path);
            call.header("cookie", &format!("theme=dark; {session}; lang=en"))
                .header("origin", &own_origin(&app))
        };
        assert_outcome(&signed("GET", "/me").send().await, 200, "", "signed in");
        let change = json!({ "current": PASSWORD, "new": "battery staple correct" });
        let end = signed(method, path);
        let end = if method == "POST" { end.json(&change) } else { end };
        let ended = end.send().await;
        assert_outcome(&ended, 204, "", path);
        let set = ended.header("set-cookie");
        assert!(set.starts_with("__Host-session=; ") && set.contains("Max-Age=0"), "{path}: {set}");
        assert_outcome(&signed("GET", "/me").send().await, 401, "UNAUTHENTICATED", path);
    }
}

#[tokio::test]
async fn a_write_with_the_cookie_comes_from_a_page_of_ours_or_not_at_all() {
    let app = browsers().await;
    let session = join(&app, "ada").await;
    let own = own_origin(&app);
    let port = app.instance().api_address().port();
    let ours: [&[(&'static str, &str)]; 4] = [
        &[("origin", &own)],
        &[("origin", APP)],
        &[("sec-fetch-site", "same-origin")],
        &[("origin", APP), ("sec-fetch-site", "same-site")],
    ];
    let other_port = format!("http://127.0.0.1:{}", port.wrapping_add(1));
    let foreign: [&[(&'static str, &str)]; 9] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "https://app.example.com.evil.example")],
        &[("origin", "http://app.example.com")],
        &[("origin", "null")],
        &[("origin", &other_port)],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        // What `Origin` says counts: this one is not ours.
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    let me = app.get("/me").header("cookie", &session).send().await.json();
    let path = format!("/users/{}", me["id"].as_str().expect("an id"));
    let patch = |headers: &[(&'static str, &str)]| {
        let call = app.patch(&path).header("cookie", &session).json(&json!({ "age": 36 }));
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send()
    };
    for headers in ours {
        assert_outcome(&patch(headers).await, 200, "", &format!("{headers:?}"));
    }
    for headers in foreign {
        let refused = patch(headers).await;
        assert_outcome(&refused, 403, "CROSS_SITE_REQUEST", &format!("{headers:?}"));
    }
    // Reading is protected by CORS and by SameSite; a link from anywhere still works.
    let read = app.get("/me").header("cookie", &session).header("origin", "https://evil.example");
    let read = read.send().await;
    assert_outcome(&read, 200, "", "a read");
    assert_eq!(read.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn no_foreign_page_logs_its_visitor_in_and_a_program_needs_no_origin() {
    let app = browsers().await;
    join(&app, "ada").await;
    let log_in = || log_in_with(&app, "ada@example.com", PASSWORD);
    let foreign = log_in().header("origin", "https://evil.example").send().await;
    assert_outcome(&foreign, 403, "CROSS_SITE_REQUEST", "a foreign page");
    assert_eq!(foreign.header("set-cookie"), "");
    let ours = log_in().header("origin", APP).send().await;
    assert_outcome(&ours, 201, "", "a page of ours");
    assert_eq!(ours.header("access-control-allow-credentials"), "true");
    assert_outcome(&log_in().send().await, 201, "", "a program");
}

#[tokio::test]
async fn a_log_in_replaces_the_session_of_the_cookie() {
    let app = browsers().await;
    let first = join(&app, "ada").await;
    let again = log_in_with(&app, "ada@example.com", PASSWORD).header("cookie", &first);
    let second = cookie(&again.header("origin", APP).send().await);
    assert_ne!(first, second);
    for (session, status) in [(&first, 401), (&second, 200)] {
        let me = app.get("/me").header("cookie", session).send().await;
        assert_eq!(me.status.as_u16(), status);
    }
}

#[tokio::test]
async fn keys_are_bearer_tokens_in_either_mode_and_need_no_origin() {
    let app = browsers().await;
    let session = join(&app, "ada").await;
    let body = json!({ "name": "deploy", "scopes": ["users:read", "users:write"] });
    let made = app.post("/keys").header("cookie", &session).header("origin", APP).json(&body);
    let made = made.send().await;
    assert_outcome(&made, 201, "", "a key");
    let token = made.json()["token"].as_str().expect("shown once").to_owned();
    let me = app.get("/me").bearer(&token).send().await;
    let path = format!("/users/{}", me.json()["id"].as_str().expect("an id"));
    let patch = app.patch(&path).bearer(&token).json(&json!({ "age": 36 }));
    assert_outcome(&patch.send().await, 200, "", "a write");
}

#[tokio::test]
async fn cookies_that_are_no_single_session_sign_nobody_in() {
    let app = browsers().await;
    let session = join(&app, "ada").await;
    let cookie = |value: &str| app.get("/me").header("cookie", value);
    let long = format!("__Host-session={}", "x".repeat(600));
    let twice = format!("{session}; {session}");
    let renamed = session.replace("__Host-session", "session");
    let cases: [Call; 6] = [
        cookie(""),
        cookie("__Host-session="),
        cookie(&long),
        cookie(&twice),
        cookie(&renamed),
        cookie(&session).header("cookie", &session),
    ];
    for (at, call) in cases.into_iter().enumerate() {
        assert_outcome(&call.send().await, 401, "UNAUTHENTICATED", &format!("case {at}"));
    }
}

#[tokio::test]
async fn by_default_a_cookie_is_no_credential() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    let reply = log_in_with(&app, &ada.email, PASSWORD).header("origin", "https://evil.example");
    let reply = reply.send().await;
    assert_eq!((outcome(&reply).0, reply.header("set-cookie")), (201, ""));
    let session = format!("__Host-session={}", ada.token);
    let me = app.get("/me").header("cookie", &session).send().await;
    assert_outcome(&me, 401, "UNAUTHENTICATED", "a cookie");
}
