//! Requests on the page: each once, as it ended, and nothing of what was sent.

use accounts::Accounts;
use mainstay_testing::TestApp;
use serde_json::json;

use super::{exposition::Exposition, scrape, text};
use crate::support::{assert_outcome, limited, registration, start, until};

/// The requests of one kind.
fn requests(page: &Exposition, route: &str, method: &str, status: &str, code: &str) -> u64 {
    let labels = [("route", route), ("method", method), ("status", status), ("code", code)];
    let given = if code.is_empty() { &labels[..3] } else { &labels[..] };
    page.count("mainstay_requests_total", given)
}

#[tokio::test]
async fn every_request_is_counted_once_as_it_ended() {
    let app = start().await;
    let body = json!({ "email": "ada@example.com", "name": "Ada" });
    for _ in 0..2 {
        // Made, then refused because the address is taken.
        app.post("/users").json(&body).send().await;
    }
    for _ in 0..3 {
        app.get("/me").send().await;
    }
    app.post("/users").json(&json!({ "email": "no address" })).send().await;
    app.post("/users").body("text/plain", "x").send().await;
    app.get("/nowhere").send().await;
    app.get("/users/no-id").send().await;
    app.delete("/users").send().await;
    app.call("HEAD".parse().expect("a method"), "/docs").send().await;
    app.call("OPTIONS".parse().expect("a method"), "/me").send().await;
    app.call("BREW".parse().expect("a method"), "/me").send().await;

    let page = scrape(&app).await;
    for (route, method, status, code, count) in [
        ("/users", "POST", "201", "", 1),
        ("/users", "POST", "409", "EMAIL_TAKEN", 1),
        ("/users", "POST", "422", "VALIDATION_FAILED", 1),
        ("/users", "POST", "415", "UNSUPPORTED_MEDIA_TYPE", 1),
        ("/users", "POST", "500", "INTERNAL", 0),
        ("/me", "GET", "401", "UNAUTHENTICATED", 3),
        ("/users/{id}", "GET", "401", "UNAUTHENTICATED", 1),
        ("/docs", "GET", "200", "", 1),
        ("-", "GET", "404", "ROUTE_NOT_FOUND", 1),
        ("-", "DELETE", "405", "METHOD_NOT_ALLOWED", 1),
        ("-", "OPTIONS", "204", "", 1),
        ("-", "OTHER", "405", "METHOD_NOT_ALLOWED", 1),
    ] {
        let case = format!("{method} {route} {status} {code}");
        assert_eq!(requests(&page, route, method, status, code), count, "{case}");
    }
    let all = |route| page.sum("mainstay_requests_total", ("route", route));
    assert_eq!((all("/users"), all("/me"), all("/docs"), all("-")), (4, 3, 1, 4));
    let timed = page.sum("mainstay_request_duration_seconds_count", ("route", "/users"));
    assert_eq!(timed, 4, "each is timed as well");
    let of_users = [("route", "/users"), ("method", "POST")];
    let bytes_in = page.count("mainstay_request_body_bytes_total", &of_users);
    let sent = 2 * body.to_string().len() + r#"{"email":"no address"}"#.len() + "x".len();
    assert_eq!(bytes_in, sent as u64);
    assert!(page.count("mainstay_response_body_bytes_total", &of_users) > 0);
    assert_eq!(page.count("mainstay_requests_in_flight", &[]), 0);
    assert_eq!(page.count("mainstay_undeclared_answers_total", &[]), 0);
}

#[tokio::test]
async fn refusals_by_limit_and_by_deadline_are_counted() {
    let app = TestApp::start_with::<Accounts>(limited()).await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let late =
        tokio::spawn(registration(&app, "bob@example.com").header("request-timeout", "0.2").send());
    until("it is in flight", async || {
        (scrape(&app).await.count("mainstay_requests_in_flight", &[]) == 1).then_some(())
    })
    .await;
    assert_outcome(&late.await.expect("no panic"), 504, "DEADLINE_EXCEEDED", "behind a lock");
    neighbour.unlock();
    let mut admitted = 1;
    while registration(&app, "no address").send().await.status.as_u16() != 429 {
        admitted += 1;
    }
    let page = scrape(&app).await;
    assert_eq!(requests(&page, "/users", "POST", "504", "DEADLINE_EXCEEDED"), 1);
    assert_eq!(requests(&page, "/users", "POST", "422", "VALIDATION_FAILED"), admitted - 1);
    assert_eq!(requests(&page, "/users", "POST", "429", "RATE_LIMITED"), 1);
    assert!(page.count("mainstay_limiter_keys", &[]) > 0);
}

#[tokio::test]
async fn ten_thousand_requests_for_what_is_not_there_add_no_series() {
    let app = start().await;
    let mut wire = app.wire().await;
    let mut random = Random(7);
    let mut first = None;
    for number in 0..10_000 {
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"].get(number % 8);
        let made_up = format!("M{:X}", random.next() % 0xffff);
        let method = method.map_or(made_up.as_str(), |method| method);
        let (path, host) = (random.next(), random.next());
        let path = match number % 3 {
            0 => format!("{path:x}"),
            1 => format!("users/{path}/x"),
            _ => format!("me?{path}={host}"),
        };
        wire.send(format!("{method} /{path} HTTP/1.1\r\nHost: h{host:x}.example\r\n\r\n")).await;
        wire.reply().await;
        if number == 200 {
            first = Some(text(&app).await);
        }
    }
    let (first, last) = (first.expect("there were as many"), text(&app).await);
    let [before, after] = [&first, &last].map(|text| Exposition::parse(text));
    assert_eq!(before.series(), after.series());
    assert!(last.len() < first.len() + first.len() / 50, "{} then {}", first.len(), last.len());
    let answered = ["-", "/me"].map(|route| after.sum("mainstay_requests_total", ("route", route)));
    assert_eq!(answered.iter().sum::<u64>(), 10_000);
}

/// The same numbers in each run (a linear congruential generator; Knuth's constants).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 8
    }
}
