//! The sentence about a request.

use serde_json::{Value, json};

use super::{
    super::timeline::tests::{record, step},
    *,
};

#[track_caller]
fn check(status: u16, steps: Value, expected: &str) {
    let steps: Vec<_> = match steps {
        Value::Array(steps) => steps.into_iter().map(step).collect(),
        _ => panic!("a list"),
    };
    let record = Record { status, ..record(&steps.into()) };
    assert_eq!(of(&record).as_deref(), Some(expected));
}

#[test]
fn what_failed_is_named_innermost_first() {
    let handler = json!({ "kind": "handler", "name": "create", "ms": 100.0 });
    check(
        503,
        json!([
            { "kind": "handler", "name": "create", "ms": 100.0, "failed": true,
              "outcome": "failed" },
            { "kind": "transaction", "name": "transaction", "ms": 90.0, "parent": 0,
              "failed": true, "outcome": "unavailable" },
            { "name": "SELECT 2", "ms": 60.0, "waited_ms": 10.0, "parent": 1, "failed": true,
              "outcome": "unavailable" },
        ]),
        "it failed (unavailable) after 60.000 ms, 60 % of the time: sql SELECT 2",
    );
    check(
        503,
        json!([
            handler,
            { "kind": "transaction", "name": "transaction", "ms": 80.0, "waited_ms": 79.0,
              "parent": 0, "failed": true, "outcome": "exhausted" },
        ]),
        "80 % of the time it waited for a connection of the pool, and then failed (exhausted): \
         transaction transaction",
    );
}

#[test]
fn what_had_not_ended_is_named_and_a_failure_before_what_it_abandoned() {
    check(
        504,
        json!([
            { "kind": "handler", "name": "create", "ms": 100.0, "failed": true,
              "outcome": "abandoned" },
            { "at_ms": 10.0, "ms": null, "parent": 0 },
        ]),
        "it had not ended after 90.000 ms, 90 % of the time: sql SELECT 1",
    );
    check(
        500,
        json!([
            { "name": "SELECT 1", "ms": 50.0, "failed": true, "outcome": "abandoned" },
            { "name": "SELECT 2", "ms": 20.0, "failed": true, "outcome": "broken" },
        ]),
        "it failed (broken) after 20.000 ms, 20 % of the time: sql SELECT 2",
    );
}

#[test]
fn where_nothing_failed_the_longest_share_is_named() {
    check(
        200,
        json!([
            { "kind": "handler", "name": "list", "ms": 99.0 },
            { "kind": "password", "name": "argon2id", "ms": 20.0, "parent": 0 },
            { "name": "SELECT 2", "ms": 79.0, "waited_ms": 78.0, "parent": 0 },
        ]),
        "78 % of the time it waited for its turn at the database: sql SELECT 2",
    );
    check(
        200,
        json!([
            { "kind": "handler", "name": "list", "ms": 99.0 },
            { "name": "SELECT 2", "ms": 20.0, "parent": 0 },
        ]),
        "79 % of the time went to the endpoint's own code (handler list)",
    );
    check(
        200,
        json!([{ "name": "SELECT 2", "ms": 20.0 }]),
        "80 % of the time went to no step: reading the request, or waiting for a core",
    );
}

#[test]
fn a_refusal_by_a_limit_is_no_matter_of_time() {
    check(
        429,
        json!([
            { "kind": "limit", "name": "users.create", "ms": 0.0, "outcome": "refused" },
        ]),
        "it was refused: limit users.create",
    );
    assert_eq!(of(&record(&json!([]))), None);
}
