//! The console in a real browser.

use std::{net::SocketAddr, time::Duration};

use accounts::Accounts;
use mainstay_testing::{Call, TestApp};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{TOKEN, browser::Browser};
use crate::support::{Person, assert_outcome, options, registration, start};

/// Every part of the page.
const VIEWS: [&str; 10] = [
    "overview",
    "routes",
    "live",
    "requests",
    "pools",
    "caches",
    "limits",
    "discipline",
    "configuration",
    "about",
];

/// Sends requests of several kinds until it is dropped.
async fn load(app: &TestApp) -> JoinSet<()> {
    let person = Person::join(app, "ada").await;
    let api = app.instance().api_address();
    let mut work = JoinSet::new();
    for worker in 0..3 {
        work.spawn(worker_of(api, person.token.clone(), worker));
    }
    work
}

async fn worker_of(api: SocketAddr, token: String, worker: u32) {
    let get = |target: &str| Call::new(api, "GET".parse().expect("a method"), target);
    for round in worker.. {
        let call = match round % 5 {
            0 => get("/me"),
            1 => get("/nowhere"),
            2 => get("/flags").bearer(&token),
            _ => get("/me").bearer(&token),
        };
        // The service may be gone before the load is.
        let _ = call.attempt().await;
        // The pace of the load; nothing waits for it.
        tokio::time::sleep(Duration::from_millis(u64::from(5 + round % 11))).await;
    }
}

fn console(app: &TestApp, view: &str) -> String {
    format!("http://{}/console#{view}", app.instance().ops_address())
}

/// What the browser complains of, and what it was made to ask for elsewhere.
async fn assert_content(browser: &Browser, app: &TestApp) {
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let (api, ops) = (app.instance().api_address(), app.instance().ops_address());
    let ours = [format!("http://{api}/"), format!("http://{ops}/"), "data:".to_owned()];
    let asked = browser.asked_for().await;
    assert!(!asked.is_empty());
    for url in asked {
        assert!(ours.iter().any(|own| url.starts_with(own)), "the page asked for {url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_moves_with_the_load_and_complains_of_nothing() {
    let browser = Browser::start().await;
    let app = start().await;
    let load = load(&app).await;
    browser.prefer("light").await;
    browser.open(&console(&app, "overview")).await;
    browser.wait_for("document.querySelector('#link').textContent === 'live'").await;
    browser.wait_for("document.querySelector('#service').textContent === 'accounts'").await;
    browser.wait_for("document.querySelector('#ready').textContent === 'ready'").await;
    let line = "document.querySelector('.plot .area.a')?.getAttribute('d')";
    browser.wait_for(line).await;
    browser.run(&format!("window.before = {line}")).await;
    browser.wait_for(&format!("{line} !== window.before")).await;
    browser.wait_for("document.querySelector('.tile .value').textContent !== '0/s'").await;
    browser.keep_picture("overview-light").await;
    browser.prefer("dark").await;
    browser.keep_picture("overview-dark").await;

    browser.open(&console(&app, "live")).await;
    browser.wait_for("document.querySelectorAll('#tail a').length >= 5").await;
    let route = "document.querySelector('select').value = '/me'; document.querySelector('select')\
                 .dispatchEvent(new Event('change'))";
    browser.run(route).await;
    let routes = "[...document.querySelectorAll('#tail tbody tr td:nth-child(4)')]";
    browser.wait_for(&format!("{routes}.every((cell) => cell.textContent === '/me')")).await;

    browser.open(&console(&app, "routes")).await;
    browser.wait_for("document.querySelectorAll('tbody tr').length >= 3").await;
    let sort = "document.querySelector('th button').click()";
    browser.run(sort).await;
    let first = "document.querySelector('tbody td').textContent";
    browser.wait_for(&format!("{first} === 'GET (no route)'")).await;
    browser.wait_for("document.querySelector('th').ariaSort === 'ascending'").await;
    assert_content(&browser, &app).await;
    drop(load);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_console_fits_a_telephone() {
    let browser = Browser::start().await;
    let app = start().await;
    browser.resize(390, 844).await;
    browser.open(&console(&app, "overview")).await;
    browser.run(&with_requests(&record())).await;
    let load = load(&app).await;
    for view in VIEWS {
        browser.run(&format!("location.hash = '{view}'")).await;
        browser.wait_for("document.querySelector('main .card')").await;
        browser.wait_for("!document.querySelector('main').textContent.includes('Asking')").await;
        let overhang = "return document.documentElement.scrollWidth - innerWidth";
        assert_eq!(browser.run(overhang).await, 0, "{view}");
        let unnamed = "return [...document.querySelectorAll('main input, main select, main button, \
                       main svg[role=img]')].filter((one) => !one.ariaLabel && !one.textContent \
                       && !one.closest('label')).length";
        assert_eq!(browser.run(unnamed).await, 0, "{view} has what nobody can name");
        browser.keep_picture(&format!("{view}-390")).await;
    }
    assert_content(&browser, &app).await;
    drop(load);
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_chosen_and_stay_chosen() {
    let browser = Browser::start().await;
    let app = start().await;
    browser.prefer("light").await;
    browser.open(&console(&app, "about")).await;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.run(ground).await;
    let theme = "document.documentElement.dataset.theme";
    let toggle = "document.querySelector('#theme').click()";
    browser.run(toggle).await;
    browser.wait_for(&format!("{theme} === 'light'")).await;
    assert_eq!(browser.run(ground).await, light);
    browser.run(toggle).await;
    browser.wait_for(&format!("{theme} === 'dark'")).await;
    assert_ne!(browser.run(ground).await, light);
    browser.open("about:blank").await;
    browser.open(&console(&app, "about")).await;
    browser.wait_for(&format!("{theme} === 'dark'")).await;
    browser.run(toggle).await;
    browser.wait_for(&format!("{theme} === undefined")).await;
    assert_eq!(browser.run(ground).await, light, "as the system has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_a_token_asks_for_it_and_forgets_a_wrong_one() {
    let browser = Browser::start().await;
    let app = TestApp::start_with::<Accounts>(options().with("OPS_TOKEN", TOKEN)).await;
    browser.open(&console(&app, "overview")).await;
    browser.wait_for("document.querySelector('#token')").await;
    browser.fill_in("#token", "operators-0000000000\n").await;
    browser.wait_for("document.querySelector('[role=alert]')").await;
    assert_eq!(browser.run("return sessionStorage.length").await, 0);
    browser.keep_picture("token-refused").await;
    browser.fill_in("#token", &format!("{TOKEN}\n")).await;
    browser.wait_for("document.querySelector('#link').textContent === 'live'").await;
    browser.wait_for("document.querySelector('.tile')").await;
    assert_eq!(browser.run("return localStorage.length + document.cookie.length").await, 0);
    let address = browser.run("return location.href + document.body.textContent").await;
    assert!(!address.to_string().contains(TOKEN), "the token is neither shown nor in the address");
    // What was refused is a complaint; nothing else is.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains(" 401 ")), "{complaints:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_gone_is_told_of_and_found_again() {
    let browser = Browser::start().await;
    let app = start().await;
    browser.open(&console(&app, "overview")).await;
    browser.wait_for("document.querySelector('#link').textContent === 'live'").await;
    let port = app.instance().ops_address().port().to_string();
    let (_, database) = app.stop().await;
    browser.wait_for("document.querySelector('#link').textContent.startsWith('stream lost')").await;
    browser.keep_picture("stream-lost").await;
    let again = options().at(database).with("OPS_PORT", &port);
    let app = TestApp::start_with::<Accounts>(again).await;
    browser.wait_for("document.querySelector('#link').textContent === 'live'").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_found_by_its_id_and_shown_as_a_timeline() {
    let browser = Browser::start().await;
    let app = start().await;
    browser.open(&console(&app, "overview")).await;
    browser.wait_for("document.querySelector('#link').textContent === 'live'").await;
    browser.run(&with_requests(&record())).await;
    browser.run("location.hash = 'requests'").await;
    browser.wait_for("document.querySelector('#found a')").await;
    browser.fill_in("#request-id", "req-42\n").await;
    browser.wait_for("document.querySelector('.waterfall svg')").await;
    let steps = "return document.querySelectorAll('.waterfall .step').length";
    assert_eq!(browser.run(steps).await, 6, "the request and its five steps");
    let shown = browser.run("return document.querySelector('main').textContent").await.to_string();
    for part in ["STORE_OVERLOADED", "SELECT id FROM users", "<b>no connection</b>", "1.01"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert_eq!(browser.run("return document.querySelectorAll('main b').length").await, 0);
    browser.keep_picture("timeline").await;
    assert_content(&browser, &app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_failed_is_found_by_the_id_in_its_answer() {
    let browser = Browser::start().await;
    let app = start().await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let late = registration(&app, "bob@example.com").header("request-timeout", "0.1");
    let late = late.send().await;
    assert_outcome(&late, 504, "DEADLINE_EXCEEDED", "behind a lock");
    browser.open(&console(&app, "requests")).await;
    browser.wait_for("document.querySelector('#found a')").await;
    browser.fill_in("#request-id", &format!("{}\n", late.header("x-request-id"))).await;
    browser.wait_for("document.querySelectorAll('.waterfall .step').length > 1").await;
    let shown = browser.run("return document.querySelector('main').textContent").await.to_string();
    for part in ["POST /users", "504 DEADLINE_EXCEEDED", "handler"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("bob@example.com"), "{shown}");
    browser.keep_picture("timeline-of-a-failure").await;
    assert_content(&browser, &app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_contract_asks_nobody_and_complains_of_nothing() {
    let browser = Browser::start().await;
    let app = start().await;
    browser.open(&format!("http://{}/docs", app.instance().api_address())).await;
    browser.wait_for("document.querySelectorAll('article').length > 10").await;
    browser.keep_picture("docs").await;
    browser.resize(390, 844).await;
    let overhang = "return document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.run(overhang).await, 0);
    assert_content(&browser, &app).await;
}

/// Answers questions about kept requests with this record, whoever is asked.
fn with_requests(record: &Value) -> String {
    let told = json!({ "records": [record] });
    format!(
        "const asked = window.fetch; window.fetch = (path, options) => String(path)\
         .startsWith('/requests') ? Promise.resolve(new Response(JSON.stringify({told}))) \
         : asked(path, options)"
    )
}

/// A request that waited for a connection in vain; its cause is the worst text there could be.
fn record() -> Value {
    let step = |kind, name, parent: Option<u8>, at_ms, waited_ms, ms: Option<f64>, outcome| {
        json!({
            "kind": kind, "name": name, "parent": parent, "at_ms": at_ms, "waited_ms": waited_ms,
            "ms": ms, "outcome": outcome, "failed": outcome == "timed_out",
        })
    };
    json!({
        "time": "2026-01-02T03:04:05.678Z", "id": "req-42",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
        "module": "users", "method": "GET", "route": "/users/{id}", "status": 503, "ms": 1013.4,
        "bytes_in": 0, "bytes_out": 180, "code": "STORE_OVERLOADED",
        "meaning": "The store has more work than it can do",
        "cause": "<b>no connection</b><img src=x onerror=alert(1)>", "release": "0.1.0",
        "instance": "a", "kept": "failure", "omitted": 0,
        "steps": [
            step("limit", "default", None, 0.1, 0.0, Some(0.2), "ok"),
            step("authentication", "", None, 0.4, 0.0, Some(1.6), "ok"),
            step("cache", "sessions", Some(1), 0.5, 0.0, Some(0.1), "hit"),
            step("handler", "GET /users/{id}", None, 2.2, 0.0, Some(1011.0), "timed_out"),
            step("sql", "SELECT id FROM users", Some(3), 2.4, 1000.0, None, "timed_out"),
        ],
    })
}
