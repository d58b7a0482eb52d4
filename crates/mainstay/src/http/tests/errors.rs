//! What errors say, and to whom.

use mainstay_core::{Fault, Secret};
use mainstay_web::codes;

use super::{
    server::{Scripted, answer},
    *,
};

const SECRET: &str = "hunter2";

/// A call that holds the secret wherever it can.
fn secretive(client: &Client) -> Call {
    client
        .put("/users/{id}")
        .param("id", SECRET)
        .query("token", SECRET)
        .header(HeaderName::from_static("x-key"), SECRET)
        .bearer(&Secret::new(SECRET.to_owned()))
        .json(&SECRET)
}

#[tokio::test]
async fn no_error_shows_what_was_sent_or_answered() {
    let said = format!("x-key: {SECRET}\r\n");
    let server = Scripted::start(move |number| match number {
        0 => answer(500, &said, SECRET),
        _ => answer(200, &said, &format!("\"{SECRET}\"")),
    })
    .await;
    let client = client(&server, options());
    let call = secretive(&client);
    assert_eq!(format!("{call:?}"), "Call(billing, PUT /users/{id})");
    let failed = call.send().await.expect_err("500");
    let answer = secretive(&client).send().await.expect("an answer");
    assert_eq!(format!("{answer:?}"), "Response(200, 9 bytes)");
    let unreadable = answer.json::<u32>().expect_err("a text");
    let address = server.base();
    drop(server);
    let unreachable = Client::new("billing", address, options());
    let unreachable = secretive(&unreachable).send().await.expect_err("nobody is there");
    for (error, says) in [
        (failed, "PUT /users/{id} of billing: status 500"),
        (unreadable, "PUT /users/{id} of billing: not the JSON that was expected"),
        (unreachable, "PUT /users/{id} of billing: no connection"),
    ] {
        let shown = shown(&error);
        assert!(shown.contains(says) && !shown.contains(SECRET), "{shown}");
        assert!(!error.detail().contains("billing"), "who we need is our own affair");
    }
}

#[tokio::test]
async fn each_error_has_its_code() {
    let statuses = [500, 503, 429, 200];
    let server = Scripted::start(move |number| answer(statuses[number], "", "no")).await;
    let client = client(&server, ClientOptions { attempts_max: 1, ..options() });
    for expected in [
        (UPSTREAM_FAILED, 502, None),
        (UPSTREAM_UNAVAILABLE, 503, Some(1)),
        (UPSTREAM_UNAVAILABLE, 503, Some(1)),
        (UPSTREAM_FAILED, 502, None),
    ] {
        let sent = client.get("/").send().await;
        let error = sent.and_then(|answer| answer.json::<u32>()).expect_err("of no use");
        let wait = error.retry_after().map(|wait| wait.as_secs());
        let code = error.code();
        assert_eq!((code, codes::status(code.kind).as_u16(), wait), expected);
    }
}

#[tokio::test]
async fn a_call_with_a_mistake_is_not_sent() {
    let server = Scripted::start(|_| answer(200, "", "")).await;
    let client = client(&server, options());
    let key = HeaderName::from_static("x-key");
    for call in [
        client.get("/users/{id}"),
        client.get("/users/{id}").param("id", ".."),
        client.get("/").header(key, "a\r\nx-admin: true"),
        client.get("/").header(header::HOST, "elsewhere"),
        client.get("/").header(header::TRANSFER_ENCODING, "chunked"),
        client.get("/").header(HeaderName::from_static("request-timeout"), "9999"),
        client.post("/").idempotency_key("a\nb"),
        client.get("/{id}").param("id", "x".repeat(100_000)),
    ] {
        let error = call.send().await.expect_err("a mistake");
        assert!(matches!(error, CallError::Mistake(_)), "{error:?}");
        assert_eq!(error.code(), codes::INTERNAL);
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn times_beyond_all_measure_are_as_good_as_none() {
    let server = Scripted::start(|number| answer(if number < 2 { 503 } else { 200 }, "", "")).await;
    let forever = Duration::MAX;
    let rests = BreakerOptions { failures: 1, of: 1, rest: forever, rest_max: forever };
    let options = ClientOptions {
        connect_timeout: forever,
        attempt_timeout: forever,
        timeout: forever,
        idle_timeout: forever,
        backoff: Backoff { first: Duration::ZERO, max: forever },
        breaker: None,
        ..options()
    };
    let patient = client(&server, options);
    assert_eq!(patient.get("/").send().await.expect("the third").status(), StatusCode::OK);
    drop(server);
    let server = Scripted::start(|_| answer(503, "", "")).await;
    let offended = client(&server, ClientOptions { breaker: Some(rests), ..options });
    offended.get("/").send().await.expect_err("it opens");
    let error = offended.get("/").send().await;
    assert!(matches!(error, Err(CallError::Refused(_))), "{error:?}");
}
