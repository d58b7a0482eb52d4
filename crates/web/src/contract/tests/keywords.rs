//! One row per rule: what passes, what does not, and what is said about it.

use serde_json::json;

use super::*;

/// `good` passes, and each of `bad` has exactly one problem: this code and message.
#[track_caller]
fn rule(schema: Value, good: &[Value], bad: &[Value], code: &str, message: &str) {
    let contract = contract(schema);
    for value in good {
        assert_eq!(contract.check(value, Location::Body), [], "{value}");
    }
    for value in bad {
        let problems = contract.check(value, Location::Body);
        let [problem] = problems.as_slice() else { panic!("{value}: {problems:?}") };
        assert_eq!((problem.code, &*problem.message), (code, message), "{value}");
        assert_eq!(problem.pointer, "", "{value}");
    }
}

#[test]
fn a_value_has_the_type_it_is_declared_to_have() {
    let table = [
        (json!("string"), json!("a"), json!(1), "must be a string"),
        (json!("integer"), json!(1.0), json!(1.5), "must be an integer"),
        (json!("number"), json!(1.5), json!("1"), "must be a number"),
        (json!("boolean"), json!(true), json!(1), "must be true or false"),
        (json!("array"), json!([]), json!({}), "must be a list"),
        (json!("null"), json!(null), json!(0), "must be null"),
        (json!(["string", "null"]), json!(null), json!([]), "must be a string or null"),
    ];
    for (name, good, bad, message) in table {
        rule(json!({ "type": name }), &[good], &[bad], "wrong_type", message);
    }
    let object = json!({ "type": "object", "additionalProperties": false });
    rule(object, &[json!({})], &[json!([])], "wrong_type", "must be an object");
}

#[test]
fn lengths_are_counted_in_characters() {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 2 });
    let good = [json!("a"), json!("é"), json!("🦀🦀")];
    rule(schema.clone(), &good, &[json!("")], "too_short", "must have at least 1 character");
    rule(schema, &good, &[json!("abc")], "too_long", "must have at most 2 characters");
}

#[test]
fn texts_match_their_pattern_and_never_hold_nul() {
    let schema = json!({ "type": "string", "pattern": "^[a-z]+$" });
    let bad = [json!("A"), json!("a\n"), json!("a\0")];
    rule(schema, &[json!("a")], &bad, "bad_pattern", "must match the pattern ^[a-z]+$");
    let told = json!({
        "type": "string",
        "pattern": "^[a-z]+$",
        "x-pattern-message": "must be lower-case letters",
    });
    rule(told, &[json!("a")], &[json!("A")], "bad_pattern", "must be lower-case letters");
    let anywhere = json!({ "type": "string", "pattern": "b" });
    rule(
        anywhere.clone(),
        &[json!("abc")],
        &[json!("ac")],
        "bad_pattern",
        "must match the pattern b",
    );
    let message = "must not contain the character U+0000";
    rule(anywhere, &[], &[json!("b\0")], "bad_character", message);
    rule(json!({ "type": "string" }), &[json!("")], &[json!("\0")], "bad_character", message);
}

#[test]
fn formats_have_codes_of_their_own() {
    let table = [
        ("email", "a@b.co", "not_an_email", "must be an e-mail address such as name@example.com"),
        (
            "uuid",
            "018f3f4e-7c1a-7def-8000-0123456789ab",
            "not_a_uuid",
            "must be a UUID in its hyphenated form",
        ),
        ("date", "2025-01-31", "not_a_date", "must be a date such as 2025-01-31"),
        ("uri", "https://a.b", "not_a_url", "must be an absolute URL such as https://example.com/"),
        ("ipv4", "127.0.0.1", "not_an_ip", "must be an IPv4 address"),
        ("ipv6", "::1", "not_an_ip", "must be an IPv6 address"),
        ("ip", "::1", "not_an_ip", "must be an IPv4 or IPv6 address"),
    ];
    for (format, good, code, message) in table {
        let schema = json!({ "type": "string", "format": format });
        rule(schema, &[json!(good)], &[json!("x"), json!("")], code, message);
    }
}

#[test]
fn numbers_keep_their_bounds_and_those_of_their_format() {
    let schema = json!({ "type": "integer", "format": "uint32", "minimum": 1 });
    rule(
        schema.clone(),
        &[json!(1), json!(u32::MAX)],
        &[json!(0)],
        "too_small",
        "must be at least 1",
    );
    let beyond = [json!(4_294_967_296_u64), json!(1e300)];
    rule(schema, &[], &beyond, "too_large", "must be at most 4294967295");
    let open = json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5 });
    rule(open.clone(), &[json!(0.1)], &[json!(0)], "too_small", "must be greater than 0");
    rule(open, &[], &[json!(0.5), json!(7)], "too_large", "must be less than 0.5");
    let even = json!({ "type": "number", "multipleOf": 2 });
    rule(
        even,
        &[json!(4), json!(-2)],
        &[json!(3), json!(2.5)],
        "not_a_multiple",
        "must be a multiple of 2",
    );
    let float = json!({ "type": "number", "format": "float" });
    rule(
        float,
        &[json!(1e38)],
        &[json!(1e39)],
        "too_large",
        "must be at most 3.4028234663852886e38",
    );
}

#[test]
fn lists_keep_their_size_and_their_items_apart() {
    let schema = json!({ "type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true });
    rule(schema.clone(), &[json!([1, 2])], &[json!([])], "too_few", "must have at least 1 item");
    rule(schema.clone(), &[], &[json!([1, 2, 3])], "too_many", "must have at most 2 items");
    rule(
        schema,
        &[],
        &[json!([{ "a": 1 }, { "a": 1 }])],
        "not_unique",
        "must not hold the same item twice",
    );
}

#[test]
fn enumerations_say_what_is_allowed() {
    let schema = json!({ "enum": ["red", 1, null] });
    let good = [json!("red"), json!(1), json!(null)];
    rule(schema, &good, &[json!("blue"), json!(2)], "not_allowed", "must be one of red, 1, null");
    rule(json!({ "const": "a" }), &[json!("a")], &[json!("b")], "not_allowed", "must be a");
    rule(
        json!({ "not": { "type": "null" } }),
        &[json!(1)],
        &[json!(null)],
        "not_allowed",
        "is not allowed",
    );
}

#[test]
fn objects_are_closed_unless_they_are_maps() {
    let closed = json!({
        "type": "object",
        "properties": { "b": true, "a": true },
        "additionalProperties": false
    });
    let bad = [json!({ "zzz": 1 }), json!({ "y": 1, "z": 2 })];
    rule(closed, &[json!({ "a": 1 })], &bad, "unknown_field", "takes only the fields a, b");
    let nothing = json!({ "type": "object", "additionalProperties": false });
    rule(nothing, &[json!({})], &[json!({ "a": 1 })], "unknown_field", "takes no fields");
    let map = json!({
        "type": "object",
        "additionalProperties": { "type": "integer" },
        "minProperties": 1,
        "maxProperties": 2
    });
    rule(map.clone(), &[json!({ "x": 1 })], &[json!({})], "too_few", "must have at least 1 field");
    let message = "holds a value that must be an integer";
    rule(map.clone(), &[], &[json!({ "x": "1" })], "wrong_type", message);
    rule(map, &[], &[json!({ "a": 1, "b": 2, "c": 3 })], "too_many", "must have at most 2 fields");
    let named = json!({
        "type": "object", "additionalProperties": true, "propertyNames": { "maxLength": 1 }
    });
    let message = "holds a value that must have at most 1 character";
    rule(named, &[json!({ "a": 1 })], &[json!({ "ab": 1 })], "too_long", message);
}

#[test]
fn unions_report_the_branch_that_was_meant() {
    let nullable = json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] });
    rule(
        nullable.clone(),
        &[json!(null), json!(1)],
        &[json!(0)],
        "too_small",
        "must be at least 1",
    );
    rule(nullable, &[], &[json!("x")], "wrong_type", "must be an integer or null");
    let ambiguous = json!({
        "oneOf": [{ "type": "integer", "maximum": 5 }, { "type": "integer", "minimum": 5 }]
    });
    let message = "must match exactly one of the forms the contract describes";
    rule(ambiguous, &[json!(4), json!(6)], &[json!(5)], "no_match", message);
    let both = json!({ "allOf": [{ "minimum": 1 }, { "minimum": 1 }] });
    rule(both, &[json!(1), json!("x")], &[json!(0)], "too_small", "must be at least 1");
}

#[test]
fn a_schema_that_promises_more_than_is_enforced_does_not_compile() {
    let table = [
        (json!({ "type": "object", "properties": { "a": true } }), "deny_unknown_fields"),
        (json!({ "contains": { "type": "null" } }), "`contains` is not enforced"),
        (json!({ "type": "string", "format": "hostname" }), "format is not enforced"),
        (json!({ "type": "integer", "format": "int128" }), "take a string"),
        (json!({ "type": "string", "pattern": "\\d" }), "different engines"),
        (json!({ "type": "string", "pattern": "(" }), "not a regular expression"),
        (json!({ "type": "array", "format": "email" }), "inner"),
        (json!({ "type": "string", "minimum": 1 }), "rule for numbers"),
        (json!({ "type": "number", "multipleOf": 0.01 }), "smaller unit"),
        (json!({ "$ref": "#/$defs/Gone" }), "not defined"),
        (json!({ "$ref": "other.json" }), "must name a definition"),
        (json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/A" } } }), "itself"),
        (json!({ "type": "text" }), "not a type"),
    ];
    for (schema, reason) in table {
        let shown = schema.to_string();
        let refused = Contract::compile(&published(schema), &Map::new());
        let message = refused.err().map(|unsupported| unsupported.to_string()).unwrap_or_default();
        assert!(message.contains(reason), "{shown}: {message:?}");
    }
    let raw = Schema::try_from(json!({ "type": "string" })).expect("a schema");
    let message = Contract::compile(&raw, &Map::new()).expect_err("not published").to_string();
    assert!(message.contains("publish"), "{message}");
}

#[test]
fn an_unsupported_keyword_is_named_with_its_place() {
    let schema = json!({
        "type": "object",
        "properties": { "a/b": { "type": "array", "items": { "if": true } } },
        "additionalProperties": false
    });
    let unsupported = Contract::compile(&published(schema), &Map::new()).expect_err("has `if`");
    assert_eq!(unsupported.pointer, "/properties/a~1b/items/if");
}
