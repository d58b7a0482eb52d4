//! What could be sent: a value that fits a schema, and a command that sends it.

use serde_json::{Map, Value, json};

use super::fields::{DEPTH_MAX, meant};
use crate::endpoint::{Access, Settled};

/// A value for this schema: the least that a reader recognises, made from its rules alone.
pub(super) fn value(schema: &Value, components: &Map<String, Value>, depth: usize) -> Value {
    let schema = meant(schema, components);
    let told = ["const", "default"].iter().find_map(|word| schema.get(word));
    let told = told.or_else(|| schema["examples"].get(0)).or_else(|| schema["enum"].get(0));
    if let Some(told) = told.filter(|told| !told.is_null()) {
        return told.clone();
    }
    match kind(schema) {
        "object" if depth < DEPTH_MAX => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties
                .map(|(name, property)| (name.clone(), value(property, components, depth + 1)))
                .collect::<Map<_, _>>()
                .into()
        }
        "array" if depth < DEPTH_MAX => json!([value(&schema["items"], components, depth + 1)]),
        "object" => json!({}),
        "array" => json!([]),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "string" => text(schema).into(),
        _ => Value::Null,
    }
}

/// The one type, or the first of several that is not `null`.
fn kind(schema: &Value) -> &str {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.as_slice(),
        kind => std::slice::from_ref(kind),
    };
    kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
}

fn text(schema: &Value) -> String {
    let text = match schema["format"].as_str() {
        Some("email") => "ada@example.com",
        Some("uuid") => "01890000-0000-7000-8000-000000000000",
        Some("date-time") => "2026-01-02T03:04:05Z",
        _ => "text",
    };
    let at_least = schema["minLength"].as_u64().unwrap_or_default() as usize;
    // Long minimums are those of passwords: words, and no row of one letter.
    let words = ["correct", "horse", "battery", "staple"].iter().cycle();
    let mut text = text.to_owned();
    for word in words {
        if text.len() >= at_least {
            break;
        }
        text = format!("{text} {word}");
    }
    text
}

/// A command line that sends the request. `$API` and `$TOKEN` are the reader's.
pub(super) fn command(endpoint: &Settled, components: &Map<String, Value>) -> String {
    let mut parts = vec![match endpoint.method.as_str() {
        "GET" => format!("curl \"$API{}\"", endpoint.path),
        method => format!("curl -X {method} \"$API{}\"", endpoint.path),
    }];
    if matches!(endpoint.access, Access::Allow(_)) {
        parts.push("-H \"authorization: Bearer $TOKEN\"".to_owned());
    }
    if let Some(body) = &endpoint.body {
        let media_type = body.media_types.first().copied().unwrap_or("application/json");
        parts.push(format!("-H 'content-type: {media_type}'"));
        // A quote would end the argument of the shell.
        let example = value(&body.schema, components, 0).to_string().replace('\'', "'\\''");
        parts.push(format!("-d '{example}'"));
    }
    parts.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_the_rules_it_was_made_from() {
        let components = json!({ "Role": { "enum": ["user", "admin"] } });
        let components = components.as_object().expect("an object");
        let schema = json!({ "type": "object", "properties": {
            "age": { "type": ["integer", "null"], "minimum": 18 },
            "email": { "type": "string", "format": "email" },
            "password": { "type": "string", "minLength": 15 },
            "role": { "anyOf": [{ "$ref": "#/components/schemas/Role" }, { "type": "null" }] },
            "tags": { "type": "array", "items": { "type": "string" } },
        } });
        let expected = json!({
            "age": 18, "email": "ada@example.com", "password": "text correct horse",
            "role": "user", "tags": ["text"],
        });
        assert_eq!(value(&schema, components, 0), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let components = json!({ "Tree": { "type": "object", "properties": {
            "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } },
        } } });
        let components = components.as_object().expect("an object");
        let tree = value(&components["Tree"], components, 0).to_string();
        assert!(tree.len() < 200, "{tree}");
    }
}
