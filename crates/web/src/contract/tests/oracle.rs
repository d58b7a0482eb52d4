//! An independent implementation of JSON Schema agrees about what passes.

use std::sync::LazyLock;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::json;

use super::*;

struct Pair {
    schema: Value,
    ours: Contract,
    theirs: jsonschema::Validator,
}

/// Small domains of names, texts and numbers, so that random values often come near to passing.
static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let schemas = json!([
        { "type": "integer", "format": "uint8", "minimum": 1 },
        { "type": "integer", "format": "int64" },
        { "type": "integer", "format": "uint64" },
        { "type": ["number", "null"], "exclusiveMinimum": -1, "maximum": 2.5 },
        { "type": "number", "format": "float", "multipleOf": 2 },
        { "type": "string", "minLength": 1, "maxLength": 3 },
        { "type": "string", "pattern": "^[a-c]+$" },
        { "type": ["string", "null"], "pattern": "b" },
        { "type": "string", "format": "email" },
        { "type": "string", "format": "uuid" },
        { "type": "string", "format": "date-time" },
        { "type": "string", "format": "date" },
        { "type": "string", "format": "uri" },
        { "type": "string", "format": "ip" },
        { "enum": ["a", 1, null, 2.5] },
        { "const": 1 },
        { "type": "array", "items": { "type": "integer", "maximum": 2 }, "minItems": 1,
          "maxItems": 3 },
        { "type": "array", "uniqueItems": true },
        { "type": "array", "prefixItems": [{ "type": "string" }, true], "items": false },
        { "type": "object", "properties": { "a": { "type": "integer" }, "b": true },
          "required": ["a"], "additionalProperties": false },
        { "type": "object", "additionalProperties": { "type": "integer" }, "minProperties": 1,
          "maxProperties": 2 },
        { "type": "object", "additionalProperties": true, "propertyNames": { "maxLength": 1 } },
        { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }, { "const": "a" }] },
        { "oneOf": [{ "type": "integer", "maximum": 2 }, { "type": "number", "minimum": 1 },
                    { "type": "array" }] },
        { "oneOf": [
            { "type": "object", "properties": { "a": { "type": "string", "const": "a" },
              "b": { "type": "integer" } }, "required": ["a", "b"], "additionalProperties": false },
            { "type": "object", "properties": { "a": { "type": "string", "const": "b" } },
              "required": ["a"], "additionalProperties": false }
        ] },
        { "oneOf": [{ "type": "string", "enum": ["c"] },
            { "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"],
              "additionalProperties": false },
            { "type": "object", "properties": { "b": { "type": "null" } }, "required": ["b"],
              "additionalProperties": false }
        ] },
        { "allOf": [{ "type": "number" }, { "minimum": 1 }], "not": { "const": 2 } },
        { "$ref": "#/$defs/Tree", "$defs": { "Tree": {
            "type": "object",
            "properties": {
                "a": { "type": "integer", "format": "int8" },
                "b": { "anyOf": [{ "$ref": "#/$defs/Tree" }, { "type": "null" }] },
                "c": { "type": "array", "items": { "$ref": "#/$defs/Tree" } }
            },
            "required": ["a"],
            "additionalProperties": false
        } } }
    ]);
    let Value::Array(schemas) = schemas else { unreachable!("a list") };
    schemas.into_iter().map(pair).collect()
});

fn pair(schema: Value) -> Pair {
    let schema = published(schema);
    let theirs = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema.as_value())
        .expect("a schema");
    let ours = Contract::compile(&schema, &Map::new()).expect("an enforceable schema");
    Pair { schema: schema.to_value(), ours, theirs }
}

/// Texts that are, or nearly are, in one of the formats.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abc\\x00é]{0,4}",
        "[ab]{1,2}(\\.[ab]{0,2})?@[ab-]{1,2}(\\.[a-c]{1,2}){1,2}",
        "[ab.]{1,2}@[ab.-]{0,4}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fg]{11,12}",
        "20(24|23)-(02|04|12|13)-(28|29|30|31)(T00:00:00)?",
        "2024-02-29[Tt]2[34]:[06]0:00(\\.[0-9]{8,10})?([Zz]|[+-]2[34]:00)",
        "[a1](http|a\\+b)?:(//)?([ab@:é]|%2[0g]){0,4}(:[0-9a]{0,2})?(/[ab%#?\\[]{0,4})?",
        "a://\\[::(1|g)?\\](:[0-9a]{0,2})?",
        "([0-9]{1,2}\\.){3}[0-9]{1,3}",
        "[0-9a-g]{0,4}(:[0-9a-f]{1,2}){6,8}|::[0-9a-g]{1,4}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-2..4_i64).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(2.5), Just(-0.5), Just(1e19), Just(1e30), Just(-1e300)]
            .prop_map(Value::from),
        prop_oneof![Just(255_u64), Just(256), Just(u64::MAX), Just(1 << 63)].prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => number,
        3 => "[abc]".prop_map(Value::from),
        6 => text().prop_map(Value::from),
    ];
    let nested = leaf.clone().prop_recursive(4, 16, 4, |inner| {
        let name = proptest::sample::select(vec!["a", "b", "c", "long"]).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
        ]
    });
    let small =
        prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), "[ab]".prop_map(Value::from)];
    let flat = proptest::collection::btree_map("[ab]", small, 1..3)
        .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into());
    // The recursion alone nearly always ends up with a large container outermost.
    prop_oneof![leaf, flat, nested]
}

#[test]
fn the_random_values_pass_and_fail_every_schema() {
    let mut runner = TestRunner::deterministic();
    let values: Vec<_> = (0..5_000)
        .map(|_| value().new_tree(&mut runner).expect("nothing is filtered").current())
        .collect();
    for Pair { schema, theirs, .. } in &*PAIRS {
        let passing = values.iter().filter(|value| theirs.is_valid(value)).count();
        assert!((5..4_995).contains(&passing), "{passing} of 5000 values pass {schema}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_oracle_accepts_exactly_what_passes(value in value()) {
        // Through the reader, which is what makes an integer of a float without a fraction.
        let body = value.to_string();
        for Pair { schema, ours, theirs } in &*PAIRS {
            let read = ours.read_body::<Value>(body.as_bytes());
            let passes = theirs.is_valid(&value);
            prop_assert_eq!(read.is_ok(), passes, "{} {} {:?}", schema, value, read);
        }
    }
}
