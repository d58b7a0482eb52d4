//! What the console is made of and told, without a browser.

use std::{net::SocketAddr, time::Duration};

use accounts::Accounts;
use mainstay_testing::TestApp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::TOKEN;
use crate::support::{assert_outcome, limited, options, start, text, until};

/// The bound on what is to come; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events that is being read.
pub(crate) struct Events {
    stream: TcpStream,
    told: String,
}

impl Events {
    pub(crate) async fn open(ops: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(ops).await.expect("the listener accepts");
        let head = "GET /console/events HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("is read");
        Self { stream, told: String::new() }
    }

    /// Reads until something has been told; `false` where the stream ends before.
    async fn tells(&mut self, what: &str) -> bool {
        self.reads_until(|told| told.contains(what)).await
    }

    /// All that is told until the service stops.
    pub(crate) async fn all(mut self) -> String {
        let ended = !self.reads_until(|_| false).await;
        assert!(ended, "nothing is enough");
        self.told
    }

    async fn reads_until(&mut self, is_enough: impl Fn(&str) -> bool) -> bool {
        let mut buffer = vec![0; 16 << 10];
        while !is_enough(&self.told) {
            let reading = self.stream.read(&mut buffer);
            match tokio::time::timeout(PATIENCE, reading).await.expect("in time") {
                Ok(0) | Err(_) => return false,
                Ok(count) => self.told += &String::from_utf8_lossy(&buffer[..count]),
            }
        }
        true
    }
}

#[tokio::test]
async fn the_page_needs_no_token_and_what_it_shows_does() {
    let app = TestApp::start_with::<Accounts>(options().with("OPS_TOKEN", TOKEN)).await;
    for target in ["/console", "/console/assets/main.js", "/console/assets/console.css"] {
        let reply = app.ops(target).send().await;
        assert_outcome(&reply, 200, "", target);
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    for target in [
        "/console/events",
        "/console/about",
        "/console/limits",
        "/console?x",
        "/console/assets/none.js",
    ] {
        assert_outcome(&app.ops(target).send().await, 401, "UNAUTHENTICATED", target);
    }
    assert_outcome(&app.ops("/console/about").bearer(TOKEN).send().await, 200, "", "with it");
    assert_outcome(&app.get("/console").send().await, 404, "ROUTE_NOT_FOUND", "on the API");
}

#[tokio::test]
async fn what_is_no_file_of_the_page_is_refused() {
    let app = start().await;
    for (file, status, code) in [
        ("none.js", 404, "ROUTE_NOT_FOUND"),
        ("..%2fconsole.html", 404, "ROUTE_NOT_FOUND"),
        (&*"x".repeat(65), 422, "VALIDATION_FAILED"),
    ] {
        let reply = app.ops(&format!("/console/assets/{file}")).send().await;
        assert_outcome(&reply, status, code, file);
    }
}

#[tokio::test]
async fn who_watches_is_told_of_each_second_and_of_requests_without_what_was_sent() {
    let app = start().await;
    let mut events = Events::open(app.instance().ops_address()).await;
    assert!(events.tells("event: beat").await);
    let secret = "canary-4711";
    let sent = json!({ "email": format!("{secret}@example.com"), "name": secret });
    let reply = app.post(&format!("/users?{secret}")).json(&sent).bearer(secret).send().await;
    let other = app.get(&format!("/{secret}")).header("user-agent", secret).send().await;
    for reply in [&reply, &other] {
        assert!(events.tells(&format!("\"id\":\"{}\"", reply.header("x-request-id"))).await);
    }
    let beats = |told: &str| told.matches("event: beat").count();
    let after = beats(&events.told) + 2;
    assert!(events.reads_until(|told| beats(told) >= after).await);
    assert!(events.told.contains("\"code\":\"ROUTE_NOT_FOUND\""), "{}", events.told);
    assert!(events.told.contains("mainstay_requests_total{route"));
    assert!(!events.told.contains(secret), "{}", events.told);
    for target in ["/console/about", "/console/limits"] {
        let told = app.ops(target).send().await;
        assert!(!String::from_utf8_lossy(&told.body).contains(secret), "{target}");
    }
}

#[tokio::test]
async fn there_are_sixteen_places_and_a_stop_ends_every_stream() {
    let app = start().await;
    let ops = app.instance().ops_address();
    let mut watching = Vec::new();
    for _ in 0..16 {
        let mut events = Events::open(ops).await;
        assert!(events.tells("event: series").await);
        watching.push(events);
    }
    let refused = app.ops("/console/events").send().await;
    assert_outcome(&refused, 503, "OVERLOADED", "a seventeenth");
    assert_eq!(refused.header("retry-after"), "10");

    drop(watching.pop());
    // The service notices by the next event, which nobody takes.
    let look = async || Events::open(ops).await.tells("event: series").await.then_some(());
    until("a place that was left is free", look).await;

    let stopped = tokio::spawn(app.stop());
    for mut events in watching {
        assert!(!events.tells("what nobody tells").await, "it ends");
        assert!(events.told.ends_with("0\r\n\r\n"), "in order");
    }
    let (drained, _) = stopped.await.expect("it stops");
    assert!(drained.completed);
}

#[tokio::test]
async fn operators_read_what_runs_and_how_it_is_configured_but_no_secret() {
    let hidden = "a-secret-that-nobody-guesses";
    let options = options().with("MAINSTAY_LIMITS__KEY_SECRET", hidden).with("OPS_TOKEN", TOKEN);
    let app = TestApp::start_with::<Accounts>(options).await;
    let reply = app.ops("/console/about").bearer(TOKEN).send().await;
    assert_outcome(&reply, 200, "", "about");
    let about = reply.json();
    assert_eq!((&about["service"], &about["build"]), (&json!("accounts"), &json!("debug")));
    let setting = |key: &str| {
        let all = about["settings"].as_array().expect("settings");
        all.iter().find(|setting| setting["key"] == key).cloned().unwrap_or_default()
    };
    assert_eq!(setting("ops.port")["origin"], "environment OPS_PORT");
    let told = String::from_utf8_lossy(&reply.body);
    for secret in [hidden, TOKEN] {
        assert!(!told.contains(secret), "{told}");
    }
    let migrations = about["migrations"].as_array().expect("migrations");
    assert_eq!((&migrations[0]["number"], &migrations[0]["name"]), (&json!(1), &json!("users")));
    assert!(migrations.iter().all(|one| one["state"] == "applied"), "{migrations:?}");
}

#[tokio::test]
async fn whoever_a_limit_refuses_is_shown_by_a_fingerprint() {
    let app = TestApp::start_with::<Accounts>(limited()).await;
    assert_eq!(app.ops("/console/limits").send().await.json(), json!({ "refused": [] }));
    let refused = async || {
        let body = json!({ "email": "ada@example.com", "password": "no password" });
        let reply = app.post("/sessions").json(&body).send().await;
        (reply.code() == "RATE_LIMITED").then_some(())
    };
    until("a refusal", refused).await;
    let limits = app.ops("/console/limits").send().await.json();
    let [first] = &limits["refused"].as_array().expect("a list")[..] else { panic!("{limits}") };
    assert_eq!((&first["count"], &first["excess"]), (&json!(1), &Value::from(0)));
    assert!(text(&first["policy"]).starts_with("sessions"), "{limits}");
    assert_eq!(text(&first["key"]).len(), 8);
}
