//! What the edge refuses before any module is asked, down to bytes that are no HTTP.

use accounts::Accounts;
use mainstay_testing::{Reply, TestApp};
use serde_json::json;

use crate::support::{Person, assert_outcome, options, registration, start};

/// Asserts a refusal in the one shape that all of them have.
fn check(reply: &Reply, status: u16, code: &str, case: &str) {
    assert_outcome(reply, status, code, case);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{case}");
    assert_eq!(reply.header("cache-control"), "no-store", "{case}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{case}");
    let body = reply.json();
    assert_eq!(body["status"], status, "{case}");
    assert_eq!(body["type"], format!("/docs#{code}"), "{case}");
    assert_eq!(body["request_id"], reply.header("x-request-id"), "{case}");
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{case}");
}

/// Writes a request and reads its one answer.
async fn answer(app: &TestApp, bytes: impl AsRef<[u8]>) -> Reply {
    let mut wire = app.wire().await;
    wire.send(bytes).await;
    wire.reply().await
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{headers}\r\n")
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_in_the_common_shape() {
    let app = start().await;
    let host = "Host: a\r\n";
    let long = "x".repeat(20_000);
    for (case, bytes, status, code) in [
        ("a method", "G(T / HTTP/1.1\r\n\r\n".to_owned(), 400, "MALFORMED_REQUEST"),
        ("a version", "GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "MALFORMED_REQUEST"),
        ("a NUL", get("/me", "Host: a\r\nX: a\0b\r\n"), 400, "MALFORMED_REQUEST"),
        ("a fold", get("/me", "Host: a\r\nX: a\r\n b\r\n"), 400, "MALFORMED_REQUEST"),
        (
            "two lengths",
            get("/me", "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n"),
            400,
            "MALFORMED_REQUEST",
        ),
        ("a large head", get("/me", &format!("{host}X: {long}\r\n")), 431, "HEAD_TOO_LARGE"),
        (
            "many headers",
            get("/me", &format!("{host}{}", "X: a\r\n".repeat(100))),
            431,
            "HEAD_TOO_LARGE",
        ),
        ("a long target", get(&format!("/{}", &long[..8192]), host), 414, "URI_TOO_LONG"),
        ("a target without end", format!("GET /{long}"), 414, "URI_TOO_LONG"),
        ("a long query", get(&format!("/me?{}", &long[..8192]), host), 414, "URI_TOO_LONG"),
        ("no host", get("/me", ""), 400, "INVALID_HOST"),
        ("two hosts", get("/me", "Host: a\r\nHost: a\r\n"), 400, "INVALID_HOST"),
        ("a user in the host", get("/me", "Host: ada@a\r\n"), 400, "INVALID_HOST"),
        ("a path in the host", get("/me", "Host: a/b\r\n"), 400, "INVALID_HOST"),
    ] {
        check(&answer(&app, bytes).await, status, code, case);
    }
}

#[tokio::test]
async fn a_client_that_takes_too_long_is_told_so() {
    let options = options()
        .with("MAINSTAY_HTTP__HEADER_TIMEOUT_MS", "100")
        .with("MAINSTAY_HTTP__BODY_TIMEOUT_MS", "100");
    let app = TestApp::start_with::<Accounts>(options).await;
    let head = answer(&app, "GET /me HTTP/1.1\r\nHost: a\r\n").await;
    check(&head, 408, "REQUEST_TIMEOUT", "half a head");
    let headers = "Host: a\r\nContent-Type: application/json\r\nContent-Length: 50";
    let body = answer(&app, format!("POST /users HTTP/1.1\r\n{headers}\r\n\r\n{{")).await;
    check(&body, 408, "REQUEST_TIMEOUT", "half a body");
    assert_eq!(body.header("connection"), "close");
}

#[tokio::test]
async fn a_path_or_a_method_that_is_not_served_is_refused() {
    let app = start().await;
    for target in ["/", "/user", "/users/", "/users/1/2", "/USERS", "//users", "/livez", "/%75sers"]
    {
        check(&app.get(target).send().await, 404, "ROUTE_NOT_FOUND", target);
    }
    for (method, target, allow) in [
        ("PUT", "/users", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/users/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/sessions/current", "DELETE, OPTIONS"),
        ("PATCH", "/me", "GET, HEAD, OPTIONS"),
        ("TRACE", "/me", "GET, HEAD, OPTIONS"),
        ("BREW", "/me", "GET, HEAD, OPTIONS"),
    ] {
        let reply = app.call(method.parse().expect("a method"), target).send().await;
        check(&reply, 405, "METHOD_NOT_ALLOWED", &format!("{method} {target}"));
        assert_eq!(reply.header("allow"), allow, "{method} {target}");
    }
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let app = start().await;
    let body = json!({ "email": "ada@example.com", "name": "Ada" }).to_string();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin1",
        "",
    ] {
        let reply = app.post("/users").body(media_type, body.clone()).send().await;
        check(&reply, 415, "UNSUPPORTED_MEDIA_TYPE", media_type);
    }
    let without = app.post("/users").send().await;
    check(&without, 415, "UNSUPPORTED_MEDIA_TYPE", "no media type");
    for coding in ["gzip", "identity, gzip", "br"] {
        let call = app.post("/users").header("content-encoding", coding);
        let reply = call.body("application/json", body.clone()).send().await;
        check(&reply, 415, "UNSUPPORTED_MEDIA_TYPE", coding);
    }
    let call = app.post("/users").header("content-encoding", "identity");
    let reply = call.body("Application/JSON; charset=\"UTF-8\"", body).send().await;
    assert_outcome(&reply, 201, "", "another spelling");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    let limit = 2048;
    let app = TestApp::start_with::<Accounts>(
        options().with("MAINSTAY_HTTP__BODY_BYTES_MAX", &limit.to_string()),
    )
    .await;
    let ada = Person::join(&app, "ada").await;
    let body = |bytes: usize| {
        let start = r#"{"name":"Ada"}"#;
        format!("{start}{}", " ".repeat(bytes - start.len()))
    };
    let call = |bytes| app.patch(&ada.path()).body("application/json", body(bytes));
    let send = |bytes| call(bytes).bearer(&ada.token).send();
    check(&send(limit + 1).await, 413, "PAYLOAD_TOO_LARGE", "announced");
    let headers = "Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    let headers = format!("{headers}\r\nAuthorization: Bearer {}", ada.token);
    let chunk = format!("{:x}\r\n{}\r\n", limit + 1, body(limit + 1));
    let line = format!("PATCH {} HTTP/1.1", ada.path());
    let chunked = format!("{line}\r\n{headers}\r\n\r\n{chunk}0\r\n\r\n");
    check(&answer(&app, chunked).await, 413, "PAYLOAD_TOO_LARGE", "in chunks");
    assert_outcome(&send(limit).await, 200, "", "at the limit");

    // What anybody may send has a limit of its own, whatever is configured.
    let register = |bytes| app.post("/users").body("application/json", body(bytes)).send();
    check(&register((16 << 10) + 1).await, 413, "PAYLOAD_TOO_LARGE", "a registration");
    check(&register(16 << 10).await, 422, "VALIDATION_FAILED", "a registration at its limit");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_and_not_repeated() {
    let app = start().await;
    let deep = "[".repeat(10_000);
    let cases: [(&str, &[u8]); 9] = [
        ("nothing", b""),
        ("spaces", b"  \n"),
        ("cut", br#"{"email":"zebra@example.com"#),
        ("more behind it", br#"{"email":"zebra@example.com","name":"Ada"} zebra"#),
        ("a trailing comma", br#"{"email":"zebra@example.com","name":"Ada",}"#),
        ("single quotes", b"{'email':'zebra@example.com'}"),
        ("a number out of range", br#"{"zebra":1e999}"#),
        ("no UTF-8", b"{\"email\":\"zebra\xff\"}"),
        ("a depth of 10,000", deep.as_bytes()),
    ];
    for (case, body) in cases {
        let reply = app.post("/users").body("application/json", body.to_vec()).send().await;
        check(&reply, 400, "MALFORMED_JSON", case);
        assert!(!String::from_utf8_lossy(&reply.body).contains("zebra"), "{case}");
    }
}

#[tokio::test]
async fn a_request_id_is_taken_if_it_is_well_formed() {
    let app = start().await;
    for (given, taken) in [
        ("abc-DEF_1.2", true),
        (&*"x".repeat(128), true),
        (&*"x".repeat(129), false),
        ("a b", false),
        ("a\"b", false),
        ("", false),
    ] {
        let reply = app.get("/nowhere").header("x-request-id", given).send().await;
        check(&reply, 404, "ROUTE_NOT_FOUND", given);
        assert_eq!(reply.header("x-request-id") == given, taken, "{given}");
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let reply = app.get("/nowhere").header("traceparent", &parent).send().await;
    assert_eq!(reply.header("traceresponse").get(3..35), Some(trace));
}

#[tokio::test]
async fn a_caller_may_shorten_the_deadline_and_not_lengthen_it() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    for given in ["60", "1e9", "inf", "-1", "NaN", "soon", ""] {
        let reply = app.get("/me").bearer(&ada.token).header("request-timeout", given);
        assert_outcome(&reply.send().await, 200, "", given);
    }
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let call = registration(&app, "bob@example.com").header("request-timeout", "0.05");
    check(&call.send().await, 504, "DEADLINE_EXCEEDED", "behind a lock");
}

#[tokio::test]
async fn every_answer_has_the_headers_of_a_careful_api() {
    let app = start().await;
    for (call, status) in [
        (app.get("/openapi.json"), 200),
        (app.get("/me"), 401),
        (app.get("/nowhere"), 404),
        (app.post("/users").body("application/json", "{"), 400),
    ] {
        let reply = call.send().await;
        assert_eq!(reply.status.as_u16(), status);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("server", ""),
            ("x-powered-by", ""),
        ] {
            assert_eq!(reply.header(name), value, "{name} of a {status}");
        }
        let policy = reply.header("content-security-policy");
        for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}
