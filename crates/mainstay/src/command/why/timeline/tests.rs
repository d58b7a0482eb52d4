//! What people see of a request.

use serde_json::{Value, json};

use super::*;

/// A failed request with the steps.
pub(in super::super) fn record(steps: &Value) -> Record {
    let record = json!({
        "time": "2026-11-22T03:30:36.003Z", "id": "req-1", "trace_id": "ab", "span_id": "cd",
        "user_id": "u", "module": "users", "method": "POST", "route": "/users", "status": 503,
        "ms": 100.0, "bytes_in": 1, "bytes_out": 2, "code": "STORE_OVERLOADED",
        "meaning": "The database has too much work", "cause": "the queue moves too slowly",
        "release": "accounts 0.1.0", "instance": "p", "kept": "failure", "steps": steps,
        "omitted": 0,
    });
    serde_json::from_value(record).expect("a record")
}

/// A step with what matters to a test.
pub(in super::super) fn step(changes: Value) -> Value {
    let mut step = json!({
        "kind": "sql", "name": "SELECT 1", "at_ms": 0.0, "waited_ms": 0.0, "ms": 1.0,
        "outcome": "ok", "failed": false,
    });
    let Value::Object(changes) = changes else { panic!("members") };
    for (name, value) in changes {
        step[name] = value;
    }
    step
}

#[test]
fn a_request_is_its_head_its_steps_and_a_sentence() {
    let steps = json!([
        step(json!({ "kind": "limit", "name": "users.create", "ms": 0.0, "outcome": "admitted",
                     "number": 19 })),
        step(json!({ "kind": "handler", "name": "create", "ms": 100.0, "number": 503,
                     "outcome": "answered" })),
        step(json!({ "name": "INSERT INTO\n  users", "parent": 1, "at_ms": 20.0, "ms": 80.0,
                     "waited_ms": 60.0, "outcome": "overloaded", "failed": true })),
        step(json!({ "kind": "cache", "name": "flags", "at_ms": 100.0, "ms": 0.001,
                     "outcome": "hit" })),
    ]);
    let shown = show(&record(&steps), Paint::Plain);
    let head = "\
POST /users → 503 STORE_OVERLOADED  100.000 ms
  when     2026-11-22T03:30:36.003Z
  request  req-1
  trace    ab, span cd
  user     u
  service  accounts 0.1.0, process p
  meaning  The database has too much work (/docs#STORE_OVERLOADED)
  cause    the queue moves too slowly

";
    let rows = [
        ("limit users.create", "0.000 ms", "▏", "admitted, 19 left"),
        ("handler create", "100.000 ms", "██████████████████████████████", "answered 503"),
        (
            "  sql INSERT INTO users",
            "80.000 ms",
            "      ░░░░░░░░░░░░░░░░░░██████",
            "overloaded, waited 60.000 ms",
        ),
        ("cache flags", "0.001 ms", "                             ▏", "hit"),
    ];
    let rows =
        rows.map(|(name, took, bar, end)| format!("  {name:46} {took:>12}  {bar:30} {end}\n"));
    let sentence = "80 % of the time it waited for its turn at the database, and then failed \
                    (overloaded): sql INSERT INTO users";
    let expected = format!("{head}{}\n  {sentence}\n", rows.concat());
    assert_eq!(shown, expected);
    let coloured = show(&record(&steps), Paint::Colours);
    assert!(coloured.contains("\x1b[31m503 STORE_OVERLOADED\x1b[0m"), "{coloured}");
    assert!(coloured.contains("\x1b[33m      ░░░░"), "waiting has a colour of its own: {coloured}");
}

#[test]
fn no_text_of_an_answer_reaches_the_terminal_as_it_is() {
    let hostile = "\x1b]0;title\x07\u{9b}2J\r\n\u{202e}";
    let steps = json!([
        step(json!({ "kind": hostile, "name": hostile, "outcome": hostile })),
        step(json!({ "failed": true, "name": hostile, "outcome": hostile }))
    ]);
    let mut hostile_record = record(&steps);
    for field in [
        &mut hostile_record.time,
        &mut hostile_record.id,
        &mut hostile_record.trace_id,
        &mut hostile_record.span_id,
        &mut hostile_record.release,
        &mut hostile_record.instance,
    ] {
        hostile.clone_into(field);
    }
    for field in [&mut hostile_record.code, &mut hostile_record.meaning] {
        *field = Some(hostile.into());
    }
    for field in
        [&mut hostile_record.user_id, &mut hostile_record.cause, &mut hostile_record.parent_id]
    {
        *field = Some(hostile.into());
    }
    hostile_record.method = hostile.into();
    hostile_record.route = hostile.into();
    let shown = show(&hostile_record, Paint::Plain);
    let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!shown.contains(obeyed), "{shown:?}");
    assert_eq!(shown.lines().count(), 13, "no line was added: {shown}");
}

#[test]
fn steps_that_contradict_themselves_are_shown_all_the_same() {
    let steps = json!([
        step(json!({ "parent": 0, "at_ms": -5.0 })),
        step(json!({ "parent": 7, "at_ms": 1e300, "ms": 1e300, "waited_ms": 1e300 })),
        step(json!({ "parent": 1, "ms": null, "waited_ms": 500.0 })),
        step(json!({ "parent": 2, "ms": -1.0, "waited_ms": -1.0 })),
    ]);
    let shown = show(&record(&steps), Paint::Plain);
    assert_eq!(shown.matches("sql SELECT 1").count(), 5, "each, and one in the sentence: {shown}");
    let width = |line: &str| line.chars().count();
    assert!(shown.lines().all(|line| width(line) < 900), "{shown}");
}

#[test]
fn a_line_of_a_log_has_no_steps_and_no_sentence() {
    let shown = show(&record(&json!([])), Paint::Plain);
    assert!(shown.ends_with("  cause    the queue moves too slowly\n"), "{shown}");
}
