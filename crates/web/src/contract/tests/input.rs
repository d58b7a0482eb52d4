//! Bodies that are broken or meant to harm.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn open() -> Contract {
    contract(json!({}))
}

#[track_caller]
fn malformed(body: &[u8]) -> Malformed {
    match open().read_body::<Value>(body) {
        Err(BodyProblem::Malformed(malformed)) => malformed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_json_is_refused_with_a_position() {
    let table: &[(&[u8], Reason, usize, usize)] = &[
        (b"", Reason::Empty, 1, 0),
        (b" \n", Reason::Empty, 2, 0),
        (b"{\"a\":1", Reason::Truncated, 1, 6),
        (b"{\"a\":\n tru }", Reason::Syntax, 2, 5),
        (b"{} {}", Reason::Syntax, 1, 4),
        (b"[1,]", Reason::Syntax, 1, 4),
        (b"NaN", Reason::Syntax, 1, 1),
        (b"1e999", Reason::Syntax, 1, 5),
        (b"'a'", Reason::Syntax, 1, 1),
        (b"\n \"\xff\"", Reason::Encoding, 2, 3),
        (br#""\ud800""#, Reason::Syntax, 1, 8),
        (b"\"a\nb\"", Reason::Syntax, 2, 0),
    ];
    for (body, reason, line, column) in table {
        let expected = Malformed { reason: *reason, line: *line, column: *column };
        assert_eq!(malformed(body), expected, "{}", body.escape_ascii());
    }
    let text = malformed(b"{\"a\":1").to_string();
    assert_eq!(text, "the JSON document ends before it is complete (line 1, column 6)");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(open().read_body::<Value>(nested(32).as_bytes()).is_ok());
    assert_eq!(malformed(nested(33).as_bytes()).reason, Reason::TooDeep);
    assert_eq!(malformed("[".repeat(1_000_000).as_bytes()).reason, Reason::TooDeep);
    assert_eq!(malformed("{\"a\":".repeat(100_000).as_bytes()).reason, Reason::TooDeep);
}

#[test]
fn a_repeated_member_is_a_problem_and_is_named_only_when_known() {
    let contract = contract(json!({
        "type": "object",
        "properties": { "a": true, "list": { "items": {
            "type": "object", "properties": { "b": true }, "additionalProperties": false
        } } },
        "additionalProperties": false
    }));
    let problems = |body: &str| match contract.read_body::<Value>(body.as_bytes()) {
        Err(BodyProblem::Invalid(problems)) => brief(&problems),
        other => panic!("{other:?}"),
    };
    assert_eq!(problems(r#"{"a":1,"a":2}"#), ["/a duplicate_field"]);
    assert_eq!(problems(r#"{"list":[{},{"b":1,"\u0062":2}]}"#), ["/list/1/b duplicate_field"]);
    assert_eq!(problems(r#"{"x":1,"x":2}"#), [" unknown_field", " duplicate_field"]);
}

#[test]
fn the_list_of_problems_is_bounded() {
    let contract = contract(json!({ "type": "array", "items": { "type": "null" } }));
    let body = format!("[{}0]", "0,".repeat(10_000));
    let Err(BodyProblem::Invalid(problems)) = contract.read_body::<Value>(body.as_bytes()) else {
        panic!("all are wrong");
    };
    assert_eq!(problems.len(), PROBLEMS_MAX);
}

#[test]
fn problems_that_say_the_same_are_said_once() {
    let contract = contract(json!({ "type": "object", "additionalProperties": false }));
    let members: Vec<_> = (0..100_000).map(|at| format!("\"{at}\":0")).collect();
    let body = format!("{{{}}}", members.join(","));
    let Err(BodyProblem::Invalid(problems)) = contract.read_body::<Value>(body.as_bytes()) else {
        panic!("all are unknown");
    };
    assert_eq!(brief(&problems), [" unknown_field"]);
}

#[test]
fn a_long_list_is_checked_for_repetition_in_linear_time() {
    let contract = contract(json!({ "type": "array", "uniqueItems": true }));
    let items: Vec<_> = (0..200_000).map(Value::from).collect();
    assert_eq!(contract.check(&items.into(), Location::Body), []);
}

#[test]
fn numbers_survive_reading_exactly() {
    let read = |body: &str| open().read_body::<Value>(body.as_bytes()).expect("JSON").to_string();
    for (body, value) in [
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
    ] {
        assert_eq!(read(body), value);
    }
}

/// A contract with a bit of everything that makes messages and pointers.
fn varied() -> Contract {
    contract(json!({
        "type": "object",
        "properties": {
            "email": { "type": "string", "format": "email" },
            "name": { "type": "string", "minLength": 200 },
            "slug": { "type": "string", "pattern": "^[A-Z]$", "maxLength": 3 },
            "color": { "enum": ["red"] },
            "map": { "type": "object", "additionalProperties": { "type": "integer" } },
            "list": { "type": "array", "items": { "type": "integer" } },
            "either": { "oneOf": [
                { "type": "object", "properties": { "t": { "const": "a" } },
                  "required": ["t"], "additionalProperties": false },
                { "type": "object", "properties": { "t": { "const": "b" } },
                  "required": ["t"], "additionalProperties": false }
            ] }
        },
        "additionalProperties": false
    }))
}

proptest! {
    #[test]
    fn no_byte_string_makes_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        _ = varied().read_body::<Value>(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        _ = varied().read_query::<Value>(&text);
    }

    #[test]
    fn no_text_of_json_characters_makes_the_reader_panic(
        text in r#"[\[\]{}",:\\u0-9eE+.truefalsn-]{0,64}"#,
    ) {
        _ = varied().read_body::<Value>(text.as_bytes());
    }

    #[test]
    fn nothing_a_caller_sends_comes_back(
        marker in "[a-z]{12}",
        member in proptest::sample::select(vec![
            "email", "name", "slug", "color", "map", "list", "either", "?",
        ]),
        shape in 0..6,
    ) {
        let value = match shape {
            0 => json!(marker),
            1 => json!([marker]),
            2 => json!({ &marker: marker }),
            3 => json!({ "t": marker }),
            4 => json!({ &marker: { &marker: [marker] } }),
            _ => json!([{ &marker: [] }]),
        };
        let name = if member == "?" { &marker } else { member };
        // Twice, so that it is a repeated member as well.
        let body = format!("{{\"{name}\":{value},\"{name}\":{value}}}");
        let refused = varied().read_body::<Value>(body.as_bytes()).expect_err("always wrong");
        prop_assert!(!format!("{refused:?}").contains(&marker), "{refused:?}");
        let query = format!("{name}={marker}&{name}=%zz{marker}&{marker}=%ff");
        let refused = varied().read_query::<Value>(&query).expect_err("always wrong");
        prop_assert!(!format!("{refused:?}").contains(&marker), "{refused:?}");
        let broken = varied().read_body::<Value>(&body.as_bytes()[..body.len() - 1]);
        prop_assert!(!format!("{broken:?}").contains(&marker), "{broken:?}");
    }
}
