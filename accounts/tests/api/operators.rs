//! The operators' listener of the real binary: its token, and the log level.

use accounts::Accounts;
use mainstay_testing::{Call, Reply, TestApp, Wire};
use serde_json::{Value, json};

use crate::{
    process::{Home, Service, run_in},
    support::{assert_outcome, options, until},
};

const TOKEN: &str = "operators-0123456789";

fn call(service: &Service, method: &str, target: &str) -> Call {
    Call::new(service.ops, method.parse().expect("a method"), target)
}

async fn set(service: &Service, directives: &str) -> Reply {
    let body = json!({ "directives": directives });
    call(service, "PUT", "/loglevel").bearer(TOKEN).json(&body).send().await
}

/// The lines of the log with this message.
fn lines(service: &Service, message: &str) -> Vec<Value> {
    let lines = service.output();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["msg"] == message).collect()
}

#[tokio::test]
async fn the_log_level_changes_while_the_service_runs_and_back() {
    let home = Home::new();
    let service = home.start(&[("OPS_TOKEN", TOKEN), ("RUST_LOG", "info,hyper=warn")]).await;
    let shown = call(&service, "GET", "/loglevel").bearer(TOKEN).send().await;
    assert_outcome(&shown, 200, "", "what is configured");
    let configured = shown.json()["configured"].clone();
    assert_eq!(shown.json()["directives"], configured);

    let changed = set(&service, "info,mainstay_web=trace").await;
    assert_outcome(&changed, 200, "", "a change");
    let expected = json!({ "directives": "mainstay_web=trace,info", "configured": configured });
    assert_eq!(changed.json(), expected);
    until("it is told", async || lines(&service, "log level changed").first().cloned()).await;
    let event = lines(&service, "authz_admin").pop().expect("a security event");
    assert_eq!(event["id"], changed.header("x-request-id"));

    for wrong in ["nonsense=words=everywhere", "info,hyper=loud", &"x".repeat(1025), ""] {
        let refused = set(&service, wrong).await;
        assert_outcome(&refused, 422, "VALIDATION_FAILED", wrong);
        assert_eq!(refused.json()["errors"][0]["pointer"], "/directives", "{wrong}");
    }
    let restored = call(&service, "DELETE", "/loglevel").bearer(TOKEN).send().await;
    assert_outcome(&restored, 200, "", "back");
    assert_eq!(restored.json()["directives"], configured);
}

#[tokio::test]
async fn with_a_token_only_probes_are_open_to_everybody() {
    let home = Home::new();
    let service = home.start(&[("OPS_TOKEN", TOKEN)]).await;
    for target in ["/livez", "/readyz", "/startupz"] {
        assert_outcome(&service.ops(target).send().await, 200, "", target);
    }
    for target in
        ["/loglevel", "/discipline", "/connections", "/requests", "/requests/a", "/readyz?verbose"]
    {
        assert_outcome(&service.ops(target).send().await, 401, "UNAUTHENTICATED", target);
        let guess = service.ops(target).bearer("operators-0123456780").send().await;
        assert_outcome(&guess, 401, "UNAUTHENTICATED", target);
        let admitted = service.ops(target).bearer(TOKEN).send().await;
        assert_ne!(admitted.code(), "UNAUTHENTICATED", "{target}");
    }
    let told = async || (lines(&service, "authn_login_fail").len() == 6).then_some(());
    until("guesses are told", told).await;
    assert!(!service.output().contains(TOKEN));
}

#[test]
fn a_token_that_can_be_guessed_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for token in ["short", "fifteen-letters", "sixteen letters!", "ünicode-in-a-token"] {
        let output = run_in(folder.path(), &["config"], &[("OPS_TOKEN", token)], "");
        assert_eq!(output.code, Some(2), "{token}");
        assert!(output.stderr.contains("OPS_TOKEN"), "{}", output.stderr);
        assert!(!output.stderr.contains(token), "{}", output.stderr);
    }
    let shown = run_in(folder.path(), &["config"], &[("OPS_TOKEN", TOKEN)], "");
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!shown.stdout.contains(TOKEN));
}

#[tokio::test]
async fn what_operators_send_is_checked_like_anybody_elses_input() {
    let options = options().with("MAINSTAY_HTTP__BODY_TIMEOUT_MS", "100");
    let app = TestApp::start_with::<Accounts>(options).await;
    let ops = app.instance().ops_address();
    let put = || Call::new(ops, "PUT".parse().expect("a method"), "/loglevel");
    let json = "application/json";
    for (call, status, code) in [
        (put().body(json, "{"), 400, "MALFORMED_JSON"),
        (put().body(json, "x".repeat(9 << 10)), 413, "PAYLOAD_TOO_LARGE"),
        (put().body("text/plain", "debug"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (put().json(&json!({ "directives": "loud=loud" })), 422, "VALIDATION_FAILED"),
        (put().json(&json!({ "level": "debug" })), 422, "VALIDATION_FAILED"),
        (app.ops("/readyz?verbose=enormously"), 422, "VALIDATION_FAILED"),
        (app.ops("/readyz?loud"), 422, "VALIDATION_FAILED"),
        (app.ops("/requests?limit=101"), 422, "VALIDATION_FAILED"),
        (app.ops("/requests?kept=everything"), 422, "VALIDATION_FAILED"),
        (app.ops("/requests?id=a"), 422, "VALIDATION_FAILED"),
        (app.ops("/requests/%1b%5b2J"), 422, "VALIDATION_FAILED"),
        (app.ops(&format!("/requests/{}", "x".repeat(129))), 422, "VALIDATION_FAILED"),
    ] {
        assert_outcome(&call.send().await, status, code, code);
    }
    let mut wire = Wire::connect(ops).await;
    let head = "PUT /loglevel HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    wire.send(format!("{head}Content-Length: 9\r\n\r\n{{")).await;
    assert_outcome(&wire.reply().await, 408, "REQUEST_TIMEOUT", "a body that does not come");
}
