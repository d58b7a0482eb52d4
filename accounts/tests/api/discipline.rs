//! The discipline of the service: nothing about any endpoint is undecided.

use accounts::Accounts;
use serde_json::Value;

use crate::{process::run, support::start};

#[tokio::test]
async fn every_decision_about_every_endpoint_is_made() {
    mainstay_testing::assert_disciplined::<Accounts>().await;
}

#[test]
fn it_is_made_in_either_mode() {
    for mode in ["bearer", "cookie"] {
        let output = run(&["check"], &[("MAINSTAY_HTTP__SESSION_TRANSPORT", mode)], "");
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{mode}");
    }
}

#[test]
fn the_command_prints_the_matrix_and_succeeds() {
    let output = run(&["check"], &[], "");
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    for text in ["METHOD", "DOCUMENTED", "/sessions/{id}", "/readyz", "0 findings"] {
        assert!(output.stdout.contains(text), "{text:?} is not in {}", output.stdout);
    }
    let widest = output.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|columns| columns <= 200), "{widest:?} columns fit no screen");
}

#[tokio::test]
async fn operators_read_what_the_command_prints_for_machines() {
    let printed = run(&["check", "--json"], &[], "");
    assert_eq!(printed.code, Some(0));
    let printed: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(printed["green"], true);
    let app = start().await;
    let reply = app.ops("/discipline").send().await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    // The multiplier of the tests shows in their limits, and nowhere else.
    let endpoints = |matrix: &Value| matrix["endpoints"].as_array().map_or(0, Vec::len);
    assert_eq!(endpoints(&reply.json()), endpoints(&printed));
    assert_eq!(reply.json()["green"], true);
    assert_eq!(app.get("/discipline").send().await.status.as_u16(), 404, "not for everybody");
}
