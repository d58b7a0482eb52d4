//! What callers send stays out of the log, out of traces, out of error bodies and out of the
//! operators' answers.

use std::collections::HashMap;

use mainstay_testing::{Call, Collector, Reply};
use serde_json::{Value, json};

use crate::{
    canary::{CANARY, NUMBER, check, spellings, unique},
    console::Events,
    process::{Home, Service},
    support::{PASSWORD, text},
};

/// Headers that carry canaries; none of them is the service's business.
fn plant(call: Call) -> Call {
    let trace = format!("00-{CANARY}-{CANARY}-01");
    [
        ("user-agent", CANARY),
        ("referer", "http://zqcanaryqz.example/zqcanaryqz?zqcanaryqz"),
        ("cookie", "session=zqcanaryqz"),
        ("origin", "http://zqcanaryqz.example"),
        ("x-forwarded-for", CANARY),
        ("forwarded", "for=zqcanaryqz"),
        ("x-request-id", "zqcanaryqz and more"),
        ("traceparent", trace.as_str()),
        ("tracestate", "zqcanaryqz=zqcanaryqz"),
        ("accept", "text/zqcanaryqz"),
        ("accept-language", CANARY),
        ("if-none-match", "\"zqcanaryqz\""),
        ("if-match", "\"zqcanaryqz\""),
        ("idempotency-key", CANARY),
        ("request-timeout", CANARY),
        ("zqcanaryqz", CANARY),
    ]
    .into_iter()
    .fold(call, |call, (name, value)| call.header(name, &unique(value)))
}

/// Bodies with a canary where a value, a name, a type or an end should be.
fn bodies() -> Vec<(&'static str, String)> {
    let email = format!("{CANARY}@example.com");
    let json = "application/json";
    vec![
        (
            json,
            json!({ "email": email, "name": CANARY, "password": format!("{CANARY}12345") })
                .to_string(),
        ),
        (json, json!({ "email": email, "password": format!("{CANARY}12345") }).to_string()),
        (
            json,
            json!({ "email": CANARY, "name": format!("{CANARY}\n"), "password": "" }).to_string(),
        ),
        (json, json!({ "email": [CANARY], "name": { CANARY: CANARY }, "age": CANARY }).to_string()),
        (json, json!({ CANARY: CANARY, "email": email, "name": CANARY, "age": 0 }).to_string()),
        (json, format!(r#"{{"age":{NUMBER},"name":"x","email":"{email}","role":"{CANARY}"}}"#)),
        (json, format!(r#"{{"{CANARY}":1,"{CANARY}":2}}"#)),
        (json, format!(r#"{{"email":"{CANARY}"#)),
        (json, json!({ "current": CANARY, "new": format!("{CANARY} {CANARY}") }).to_string()),
        (json, json!({ "current": [CANARY], "new": CANARY, CANARY: CANARY }).to_string()),
        (json, json!({ "name": CANARY, "scopes": ["users:read"] }).to_string()),
        (json, json!({ "name": CANARY, "scopes": [CANARY], "user_id": CANARY }).to_string()),
        (json, json!({ "key": CANARY, "description": CANARY }).to_string()),
        (json, json!({ "key": CANARY, "prerequisites": [CANARY], "allow": [CANARY] }).to_string()),
        (json, json!({ "keys": [CANARY], "subject": CANARY }).to_string()),
        (json, format!("{CANARY} {NUMBER}")),
        (json, format!("\"{CANARY}\"")),
        ("text/zqcanaryqz", CANARY.to_owned()),
        ("application/json; charset=zqcanaryqz", "{}".to_owned()),
    ]
}

/// Targets with a canary in the path and in the query.
fn targets(path: &str) -> Vec<String> {
    let filled = path.replace("{id}", CANARY).replace("{key}", CANARY);
    vec![
        filled.clone(),
        format!("{filled}?{CANARY}={CANARY}"),
        format!("{filled}?limit={CANARY}&cursor={CANARY}&email={CANARY}%40example.com"),
        format!("{filled}?user_id={CANARY}"),
        format!("{filled}?subject={CANARY}"),
        format!("{filled}?email={CANARY}&limit={NUMBER}&access_token={CANARY}%ff"),
        format!("{filled}/{CANARY}"),
    ]
}

async fn administrator(service: &Service) -> String {
    let body = json!({ "email": "root@example.com", "password": PASSWORD });
    text(&service.call("POST", "/sessions").json(&body).send().await.json()["token"])
}

/// Every operation with every target, and every body where one is taken. The second part says
/// whether the administrator is to sign it.
async fn calls(service: &Service) -> Vec<(Call, bool)> {
    let document = service.call("GET", "/openapi.json").send().await.json();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an object") {
            for target in targets(path) {
                let call = || plant(service.call(&method.to_uppercase(), &unique(&target)));
                if operation["requestBody"].is_object() {
                    for (media_type, body) in bodies() {
                        // One of them is about a name that is there twice.
                        let twice = body.contains(":1,");
                        let body = if twice { body } else { unique(&body) };
                        calls.push((call().body(&unique(media_type), body), true));
                    }
                }
                calls.push((call(), true));
                calls.push((call().bearer(&unique(CANARY)), false));
                let basic = format!("Basic {}", unique(CANARY));
                calls.push((call().header("authorization", &basic), false));
            }
        }
    }
    let (media_type, body) = &bodies()[0];
    let body = unique(body);
    let registration = || plant(service.call("POST", "/users")).body(media_type, body.clone());
    // Once more with its key, which is answered as before, and then with another one.
    let first = registration();
    calls.extend([(first.clone(), false), (first, false), (registration(), false)]);
    calls.push((plant(service.call("GET", &format!("/{CANARY}"))), false));
    calls.push((plant(service.call(CANARY, "/users")), false));
    calls
}

/// The keys that a request line may have; the second part says which it must have.
const KEYS: [(&str, bool); 19] = [
    ("time", true),
    ("level", true),
    ("msg", true),
    ("id", true),
    ("trace_id", true),
    ("span_id", true),
    ("user_id", false),
    ("module", true),
    ("method", true),
    ("route", true),
    ("status", true),
    ("ms", true),
    ("bytes_in", true),
    ("bytes_out", true),
    ("code", false),
    ("replayed", false),
    ("cause", false),
    ("client", true),
    ("target", false),
];

fn assert_request_line(line: &Value) {
    let members = line.as_object().expect("an object");
    for (name, needed) in KEYS {
        assert!(!needed || members.contains_key(name), "no {name} in {line}");
    }
    for name in members.keys() {
        assert!(KEYS.iter().any(|(known, _)| known == name), "{name} in {line}");
    }
    let failed = line["status"].as_u64().is_some_and(|status| status >= 400);
    assert_eq!(failed, line["code"].is_string(), "{line}");
}

/// Every line as JSON.
fn lines(log: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    log.lines().map(parse).collect()
}

/// A service that logs all it can, with an administrator.
async fn start(home: &Home, changes: &[(&str, &str)]) -> Service {
    let create = ["admin", "create", "--email", "root@example.com"];
    assert_eq!(home.run(&create, &[], PASSWORD).code, Some(0));
    home.start(&[&[("RUST_LOG", "trace")], changes].concat()).await
}

/// What operators are told, beside requests.
const OPERATORS: [&str; 8] = [
    "/livez",
    "/readyz?verbose",
    "/discipline",
    "/metrics",
    "/connections",
    "/console/about",
    "/console/limits",
    "/loglevel",
];

/// Ends the service and gives its whole log.
async fn whole_log(mut service: Service) -> String {
    service.terminate();
    assert_eq!(service.ended().await, Some(0));
    service.output()
}

/// Asserts that what was exported of so many requests holds no canary.
fn check_traces(collector: &Collector, requests: usize, spellings: &[(&str, String)]) {
    for export in collector.exports() {
        check("a trace", &String::from_utf8_lossy(&export.body), spellings);
    }
    let spans = collector.spans();
    let exported = spans.iter().filter(|span| span.kind == 2).count();
    assert!(exported > requests / 2, "{exported} of {requests} requests are exported");
    assert!(spans.iter().any(|span| span.name == "INSERT users"), "steps are exported");
}

/// What operators can read about requests that have ended: lists of each class, and each by its id.
async fn told_of_requests(service: &Service) -> String {
    let mut told = String::new();
    for kept in ["failure", "refusal", "slow", "sample"] {
        let reply = service.ops(&format!("/requests?kept={kept}&limit=100")).send().await;
        assert_eq!(reply.status, 200, "{kept}");
        told += &String::from_utf8_lossy(&reply.body);
        for record in reply.json()["records"].as_array().expect("a list") {
            let id = text(&record["id"]);
            let reply = service.ops(&format!("/requests/{id}")).send().await;
            assert_eq!(reply.status, 200, "{id}");
            told += &String::from_utf8_lossy(&reply.body);
        }
    }
    for class in ["refusal", "slow"] {
        assert!(
            told.contains(&format!("\"kept\":\"{class}\"")),
            "nothing of {class} was looked at"
        );
    }
    told
}

#[tokio::test]
async fn nothing_a_caller_sends_is_logged_or_repeated_in_an_error() {
    let (home, collector) = (Home::new(), Collector::start().await);
    let url = collector.url();
    let traced = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_TRACES_SAMPLER_ARG", "1")];
    let service = start(&home, &traced).await;
    let watching = tokio::spawn(Events::open(service.ops_address()).await.all());
    let mut token = administrator(&service).await;
    let mut tokens = vec![token.clone()];
    let spellings = spellings();
    let mut answered: HashMap<String, Reply> = HashMap::new();
    let mut statuses: HashMap<u16, u32> = HashMap::new();
    let mut signed = 0;
    for (call, is_signed) in calls(&service).await {
        let call = if is_signed { call.bearer(&token) } else { call };
        let what = format!("{call:?}");
        let reply = call.send().await;
        *statuses.entry(reply.status.as_u16()).or_default() += 1;
        if is_signed && reply.status == 204 {
            // It may have ended the session.
            token = administrator(&service).await;
            tokens.push(token.clone());
        }
        signed += u32::from(is_signed && reply.status != 401);
        if !reply.status.is_success() {
            let body = String::from_utf8_lossy(&reply.body);
            check(&format!("the body of {what}"), &body, &spellings);
            check(&format!("the head of {what}"), &format!("{:?}", reply.headers), &spellings);
        }
        let id = reply.header("x-request-id").to_owned();
        assert!(answered.insert(id, reply).is_none(), "an id is used twice");
    }
    assert!(signed > 300, "only {signed} calls were signed in");
    // The log-ins and the fetch of the contract.
    let before = tokens.len() + 1;
    for status in [201, 400, 401, 404, 405, 409, 415, 422] {
        assert!(statuses.contains_key(&status), "no {status} among {statuses:?}");
    }
    for target in OPERATORS {
        let reply = service.ops(target).send().await;
        assert!(reply.status.is_success(), "{target} is there");
        check(target, &String::from_utf8_lossy(&reply.body), &spellings);
    }

    let told = told_of_requests(&service).await;
    check("what operators are told of requests", &told, &spellings);
    assert!(!tokens.iter().any(|token| told.contains(token)), "a token is kept");

    let log = whole_log(service).await;
    check("the log", &log, &spellings);
    let shown = watching.await.expect("no panic");
    check("what the console shows", &shown, &spellings);
    let requests = shown.matches("\"route\":\"").count();
    assert!(requests > 30, "{requests} requests are shown while they happen");
    check_traces(&collector, answered.len(), &spellings);
    assert!(!tokens.iter().any(|token| log.contains(token)), "a token is logged");
    assert!(!log.contains("mst_"), "a token is logged");
    let lines = lines(&log);
    let requests: Vec<_> = lines.iter().filter(|line| line["msg"] == "request").collect();
    assert_eq!(requests.len(), answered.len() + before, "one line for each request");
    for line in &requests {
        assert_request_line(line);
        if let Some(reply) = line["id"].as_str().and_then(|id| answered.remove(id)) {
            assert_eq!(line["status"], reply.status.as_u16(), "{line}");
            assert_eq!(line["code"].as_str().unwrap_or_default(), reply.code(), "{line}");
        }
    }
    assert!(answered.is_empty(), "{} requests have no line", answered.len());
}

#[tokio::test]
async fn no_caller_writes_a_line_of_the_log() {
    let home = Home::new();
    let service = start(&home, &[]).await;
    let forged = r#"{"time":"2020-01-01T00:00:00Z","level":"info","msg":"forged"}"#;
    let encoded = "%0a%0D%0A%7B%22msg%22%3A%22forged%22%7D%0a";
    let name = json!(format!("Ada\r\n{forged}\n")).to_string();
    let body = format!(r#"{{"email":"ada@example.com","name":{name}}}"#);
    let length = body.len();
    let head = |request: &str, headers: &str| format!("{request}\r\nHost: a\r\n{headers}\r\n");
    let requests = [
        head(&format!("GET /users/{encoded} HTTP/1.1"), ""),
        head(&format!("GET /users?email={encoded} HTTP/1.1"), ""),
        head("GET /me HTTP/1.1", &format!("X-Request-Id: a\n{forged}\r\n")),
        head("GET /me HTTP/1.1", &format!("X-Request-Id: a\r{forged}\r\n")),
        head("GET /me HTTP/1.1", &format!("X-Request-Id: {forged}\r\n")),
        head("GET /me HTTP/1.1", &format!("User-Agent: a\x0b{forged}\r\n")),
        head("GET /me HTTP/1.1", &format!("Traceparent: {forged}\r\n")),
        head("GET /me HTTP/1.1", &format!("X-Forwarded-For: {forged}\r\n")),
        head(&format!("GET /me?\n{forged} HTTP/1.1"), ""),
        head(
            "POST /users HTTP/1.1",
            &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        ) + &body,
    ];
    let count = requests.len();
    for request in requests {
        let mut wire = service.wire().await;
        wire.send(request).await;
        let reply = wire.reply().await;
        assert!(reply.status.is_client_error(), "{}", reply.status);
    }
    let log = whole_log(service).await;
    assert!(!log.contains("forged"), "{log}");
    let written = lines(&log).iter().filter(|line| line["msg"] == "request").count();
    assert_eq!(written, count);
}
