//! From the `request_id` of an error to its cause: what operators are told, and the command.

use std::{fs, time::Duration};

use accounts::Accounts;
use mainstay_testing::{Reply, TestApp};
use serde_json::{Value, json};

use crate::{
    process::{Home, Output, run, run_in},
    support::{
        PASSWORD, assert_outcome, log_in, options, register, registration, start, text, until,
    },
};

const TOKEN: &str = "operators-0123456789";

/// Runs the command beside a service of this process, which has to answer meanwhile.
async fn why(app: &TestApp, arguments: &[&str]) -> Output {
    let ops = format!("http://{}", app.instance().ops_address());
    let arguments = [&["why", "--ops", &*ops], arguments].concat();
    let arguments: Vec<_> = arguments.into_iter().map(ToOwned::to_owned).collect();
    let run = move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        run(&arguments, &[], "")
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

/// A write that fails because another process has locked the table.
async fn failed_write(app: &TestApp) -> Reply {
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let refused = registration(app, "bob@example.com").send().await;
    assert_outcome(&refused, 503, "STORE_UNAVAILABLE", "behind a lock");
    neighbour.unlock();
    refused
}

/// The lists that operators get.
async fn listed(app: &TestApp, query: &str) -> Vec<Value> {
    let reply = app.ops(&format!("/requests?{query}")).send().await;
    assert_outcome(&reply, 200, "", query);
    reply.json()["records"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_request_id_of_an_error_leads_to_the_statement_that_failed_and_its_cause() {
    let options = options().with("MAINSTAY_DATABASE__BUSY_TIMEOUT_MS", "50");
    let app = TestApp::start_with::<Accounts>(options).await;
    let refused = failed_write(&app).await;
    let id = text(&refused.json()["request_id"]);

    let found = app.ops(&format!("/requests/{id}")).send().await;
    assert_outcome(&found, 200, "", "a failure is kept");
    let record = found.json()["records"][0].clone();
    let line = app.log().lines().into_iter().find(|line| line["id"] == *id).expect("a line");
    for member in ["time", "id", "trace_id", "span_id", "module", "method", "route", "status", "ms"]
    {
        assert_eq!(record[member], line[member], "{member}");
    }
    for member in ["code", "cause", "bytes_in", "bytes_out"] {
        assert_eq!(record[member], line[member], "{member}");
    }
    assert_eq!((&record["kept"], &record["omitted"]), (&json!("failure"), &json!(0)));
    assert_eq!(record["release"], concat!("accounts ", env!("CARGO_PKG_VERSION")));
    let steps = record["steps"].as_array().expect("steps");
    let at = steps.iter().position(|step| step["kind"] == "handler").expect("the handler");
    let failed = steps.iter().rfind(|step| step["failed"] == true).expect("a step failed");
    assert_eq!(failed["kind"], "sql");
    let statement = text(&failed["name"]);
    assert!(statement.starts_with("INSERT INTO users"), "{statement}");
    assert!(failed["parent"].as_u64() >= Some(at as u64), "it is a part of the handler: {failed}");

    let trace = text(&record["trace_id"]);
    let same = app.ops(&format!("/requests/{trace}")).send().await.json();
    assert_eq!(same["records"], json!([record]));
    let output = why(&app, &[&id]).await;
    assert_eq!((output.code, &*output.stderr), (Some(0), ""), "{output:?}");
    let cause = text(&record["cause"]);
    let told = [
        "POST /users → 503 STORE_UNAVAILABLE",
        "(/docs#STORE_UNAVAILABLE)",
        &*cause,
        "sql INSERT INTO users",
        "failed (",
        "handler create",
        &*trace,
    ];
    for text in told {
        assert!(output.stdout.contains(text), "{text:?} is not in {}", output.stdout);
    }
    let verdict = output.stdout.lines().last().expect("a sentence");
    assert!(verdict.contains("INSERT INTO users"), "{verdict}");
    assert!(!output.stdout.contains('\x1b'), "no colours for a pipe");
}

#[tokio::test]
async fn operators_list_requests_by_what_they_were() {
    let options = options().with("MAINSTAY_DATABASE__BUSY_TIMEOUT_MS", "50");
    let app = TestApp::start_with::<Accounts>(options).await;
    let second = || app.advance(Duration::from_secs(1));
    let ada = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD });
    let id = text(&register(&app, &ada).await.json()["id"]);
    second();
    let token = log_in(&app, "ada@example.com").await;
    second();
    assert_outcome(&app.get("/nowhere").send().await, 404, "ROUTE_NOT_FOUND", "a refusal");
    second();
    assert_outcome(&app.get("/me").bearer(&token).send().await, 200, "", "a success");
    second();
    failed_write(&app).await;

    let all = listed(&app, "limit=100").await;
    let shown: Vec<_> = all.iter().map(|record| (&record["route"], &record["status"])).collect();
    let newest = [("/users", 503), ("/me", 200), ("-", 404), ("/sessions", 201), ("/users", 201)];
    let newest = newest.map(|(route, status)| (json!(route), json!(status)));
    assert_eq!(shown, newest.each_ref().map(|(route, status)| (route, status)));
    for (query, count) in [
        ("kept=failure", 1),
        ("kept=refusal", 1),
        ("kept=slow", 3),
        ("kept=sample", 0),
        ("route=/users", 2),
        ("route=%2Fusers&method=POST&status=503", 1),
        ("code=ROUTE_NOT_FOUND", 1),
        ("status=418", 0),
        ("limit=2", 2),
    ] {
        assert_eq!(listed(&app, query).await.len(), count, "{query}");
    }
    let steps = |record: &Value| record["steps"].as_array().map_or(0, Vec::len);
    assert!(steps(&all[1]) > 2, "who asks, a limit and the handler: {}", all[1]);
    assert_eq!(all[1]["user_id"], *id);
    assert_outcome(&app.get("/requests").send().await, 404, "ROUTE_NOT_FOUND", "not for everybody");
}

#[tokio::test]
async fn what_was_never_kept_is_no_empty_answer() {
    let app = start().await;
    for id in ["unknown", "01890000-0000-7000-8000-000000000000", &"0".repeat(32)] {
        let reply = app.ops(&format!("/requests/{id}")).send().await;
        assert_outcome(&reply, 404, "REQUEST_NOT_KEPT", id);
        let detail = text(&reply.json()["detail"]);
        assert!(detail.contains("in at most 16777216 bytes"), "{detail}");
    }
    let output = why(&app, &["unknown"]).await;
    assert_eq!((output.code, &*output.stdout), (Some(1), ""), "{output:?}");
    for text in ["error: no request unknown is kept", "  why: http://", "  fix: ", "--log FILE"] {
        assert!(output.stderr.contains(text), "{text:?} is not in {}", output.stderr);
    }
    let off = TestApp::start_with::<Accounts>(options().with("MAINSTAY_WHY__BYTES", "0")).await;
    let id = off.get("/nowhere").send().await.header("x-request-id").to_owned();
    let reply = off.ops(&format!("/requests/{id}")).send().await;
    assert_outcome(&reply, 404, "REQUEST_NOT_KEPT", "it is off");
    assert!(text(&reply.json()["detail"]).contains("why.bytes is 0"));
    assert_eq!(listed(&off, "limit=100").await, [Value::Null; 0]);
}

#[tokio::test]
async fn several_processes_are_asked_with_the_token_of_the_configuration() {
    let homes = [(); 2].map(|()| Home::new());
    let mut services = Vec::new();
    for home in &homes {
        services.push(home.start(&[("OPS_TOKEN", TOKEN)]).await);
    }
    // One trace through both, with an id that is the same as well.
    for service in &services {
        let call = service.call("GET", "/nowhere").header("x-request-id", "the-same");
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_outcome(&call.header("traceparent", trace).send().await, 404, "ROUTE_NOT_FOUND", "");
    }
    let urls: Vec<_> = services.iter().map(|service| format!("http://{}/", service.ops)).collect();
    let both = ["why", "--ops", &urls[0], "--ops", &urls[1]];
    let token = [("OPS_TOKEN", TOKEN)];
    for id in ["the-same", "0af7651916cd43dd8448eb211c80319c"] {
        let output = run(&[&both[..], &[id, "--json"]].concat(), &token, "");
        assert_eq!((output.code, &*output.stderr), (Some(0), ""), "{output:?}");
        let told: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let records = told["records"].as_array().expect("a list");
        let parents: Vec<_> = records.iter().map(|record| &record["parent_id"]).collect();
        assert_eq!(parents, ["b7ad6b7169203331"; 2], "{id}");
        assert_ne!(records[0]["instance"], records[1]["instance"], "two processes");
        assert!(records[0]["time"].as_str() <= records[1]["time"].as_str(), "in their order");
    }
    let shown = run(&[&both[..], &["the-same"]].concat(), &token, "");
    assert_eq!(shown.stdout.matches("→ 404 ROUTE_NOT_FOUND").count(), 2, "{}", shown.stdout);

    let refused = run(&[&both[..], &["the-same"]].concat(), &[], "");
    assert_eq!((refused.code, &*refused.stdout), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("fix: set OPS_TOKEN"), "{}", refused.stderr);

    // Where nobody says otherwise it is the process of the configuration; one that is gone does
    // not hide what another one knows.
    let port = services[0].ops.port().to_string();
    let configured = [("OPS_PORT", &*port), ("OPS_HOST", "0.0.0.0"), token[0]];
    let output = run(&["why", "the-same"], &configured, "");
    assert_eq!((output.code, &*output.stderr), (Some(0), ""), "{output:?}");
    services.pop().expect("two").kill();
    let output = run(&[&both[..], &["the-same"]].concat(), &token, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("warning: http://"), "{}", output.stderr);
}

#[tokio::test]
async fn a_log_tells_of_a_request_after_its_process_has_gone() {
    let home = Home::new();
    let mut service = home.start(&[]).await;
    let call = service.call("POST", "/sessions").header("x-request-id", "req.of_the-log");
    let call = call.json(&json!({ "email": "nobody@example.com", "password": "x" }));
    assert_outcome(&call.send().await, 401, "INVALID_CREDENTIALS", "a guess");
    service.terminate();
    assert_eq!(service.ended().await, Some(0));
    let log = service.output();

    let folder = tempfile::tempdir().expect("a temporary folder");
    let lines: Vec<_> = log.lines().collect();
    // As three processes would have written it, each beside what is no line of a log.
    let junk = ["Starting…", "{\"id\":\"req.of_the-log\"", &"x".repeat(100 << 10)];
    for (at, junk) in junk.iter().enumerate() {
        let own: Vec<_> = lines.iter().skip(at).step_by(3).copied().collect();
        let text = [junk, &*own.join("\n"), junk].join("\n");
        fs::write(folder.path().join(format!("{at}.log")), text).expect("writable");
    }
    let third = fs::read_to_string(folder.path().join("2.log")).expect("readable");
    let logs = ["why", "req.of_the-log", "--log", "0.log", "--log", "1.log", "--log", "-"];
    let output = run_in(folder.path(), &logs, &[], &third);
    assert_eq!(output.code, Some(0), "{output:?}");
    let skipped = "warning: 6 lines are no JSON or too long, and were skipped\n";
    assert_eq!(output.stderr, skipped);
    for text in ["POST /sessions → 401 INVALID_CREDENTIALS", "authn_login_fail  security"] {
        assert!(output.stdout.contains(text), "{text:?} is not in {}", output.stdout);
    }
    let output = run_in(folder.path(), &[&logs[..], &["--json"]].concat(), &[], &third);
    let lines = output.stdout.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().expect("a line is JSON");
    assert!(lines.len() >= 2 && lines.iter().all(|line| line["id"] == "req.of_the-log"));
    assert!(lines.is_sorted_by_key(|line| text(&line["time"])), "{lines:?}");

    let unknown = run_in(folder.path(), &["why", "unknown", "--log", "0.log"], &[], "");
    assert_eq!((unknown.code, &*unknown.stdout), (Some(1), ""), "{unknown:?}");
    assert!(unknown.stderr.contains("error: no line has the id unknown"), "{}", unknown.stderr);
    let missing = run_in(folder.path(), &["why", "unknown", "--log", "none.log"], &[], "");
    assert!(missing.stderr.contains("`none.log` cannot be read"), "{}", missing.stderr);
}

#[test]
fn no_id_and_no_address_breaks_the_terminal() {
    for hostile in ["\x1b[2J", "a\u{9b}31m", "a\rb", "\u{202e}gol", "", &"x".repeat(200)] {
        let output = run(&["why", hostile], &[], "");
        assert_eq!((output.code, &*output.stdout), (Some(1), ""), "{output:?}");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!output.stderr.contains(obeyed), "{:?}", output.stderr);
        assert!(output.stderr.contains("is no request id"), "{}", output.stderr);
        assert!(output.stderr.len() < 600, "{}", output.stderr);
    }
    for address in ["\x1b[2J", "ftp://a", "http://", "localhost", "http://a?b", "http://a b"] {
        let output = run(&["why", "a", "--ops", address], &[], "");
        assert_eq!((output.code, &*output.stdout), (Some(1), ""), "{output:?}");
        assert!(output.stderr.contains("is no address of a listener"), "{}", output.stderr);
        assert!(!output.stderr.contains('\x1b'), "{:?}", output.stderr);
    }
    let output = run(&["why", "a"], &[("OPS_PORT", "0")], "");
    assert!(output.stderr.contains("--ops http://127.0.0.1:PORT"), "{}", output.stderr);
}

#[tokio::test]
async fn a_client_that_goes_away_is_kept_with_what_it_waited_for() {
    let app = start().await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let waiting = tokio::spawn(registration(&app, "bob@example.com").send());
    let begun = || app.instance().edge().in_flight() > 0;
    until("the write waits", async || begun().then_some(())).await;
    waiting.abort();
    let left = until("its line", async || listed(&app, "status=499").await.pop()).await;
    neighbour.unlock();
    assert_eq!((&left["route"], &left["kept"]), (&json!("/users"), &json!("failure")));
}
