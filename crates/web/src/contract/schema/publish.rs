//! Completes a schema with the rules that a format implies, so that a reader who knows only JSON
//! Schema's own vocabulary expects exactly what is enforced.

use schemars::{
    Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Value, json};

use super::{
    super::number::Number,
    format::{EMAIL_LENGTH_MAX, Format},
    pattern::{NO_NUL, excludes_nul},
};

/// Writes the implied rules into a schema and everything below it. Doing it twice changes nothing.
pub fn publish(schema: &mut Schema) {
    RecursiveTransform(|schema: &mut Schema| {
        publish_numbers(schema);
        publish_ip(schema);
        publish_text(schema);
        publish_names(schema);
    })
    .transform(schema);
}

/// The bounds of a numeric format, as JSON numbers.
fn bounds(format: &str) -> Option<(Value, Value)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        // `isize` and `usize`: every target this runs on has 64 bits.
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0.into(), u8::MAX.into()),
        "uint16" => (0.into(), u16::MAX.into()),
        "uint32" => (0.into(), u32::MAX.into()),
        "uint64" | "uint" => (0.into(), u64::MAX.into()),
        // A larger number would become an infinity without a word.
        "float" => (f64::from(f32::MIN).into(), f64::from(f32::MAX).into()),
        _ => return None,
    })
}

fn publish_numbers(schema: &mut Schema) {
    let Some((min, max)) = format_of(schema).and_then(bounds) else { return };
    tighten(schema, "minimum", min, Number::is_less);
    tighten(schema, "maximum", max, Number::is_greater);
}

/// Sets a limit unless there is one already that is at least as tight.
fn tighten(schema: &mut Schema, keyword: &str, limit: Value, looser: fn(Number, Number) -> bool) {
    let present = schema.get(keyword).and_then(Value::as_number).map(Number::from);
    let implied = limit.as_number().map(Number::from);
    if present.zip(implied).is_none_or(|(present, implied)| looser(present, implied)) {
        schema.insert(keyword.to_owned(), limit);
    }
}

/// JSON Schema has no format for "either version".
fn publish_ip(schema: &mut Schema) {
    if format_of(schema) == Some("ip") && schema.get("anyOf").is_none() {
        schema.remove("format");
        schema.insert("anyOf".to_owned(), json!([{ "format": "ipv4" }, { "format": "ipv6" }]));
    }
}

fn publish_text(schema: &mut Schema) {
    let format = format_of(schema).and_then(Format::named);
    if format == Some(Format::Email) {
        tighten(schema, "maxLength", EMAIL_LENGTH_MAX.into(), Number::is_greater);
    }
    if let Some(pattern) = format.and_then(Format::pattern) {
        require_pattern(schema, pattern);
    } else if format.is_none() && is_free_text(schema) {
        let own = schema.get("pattern").and_then(Value::as_str);
        if !own.is_some_and(excludes_nul) {
            require_pattern(schema, NO_NUL);
        }
    }
}

/// Keys of a map are texts as well.
fn publish_names(schema: &mut Schema) {
    let open = !matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false)));
    if open && schema.get("propertyNames").is_none() {
        schema.insert("propertyNames".to_owned(), json!({ "pattern": NO_NUL }));
    }
}

/// Whether the schema describes strings and does not list them.
fn is_free_text(schema: &Schema) -> bool {
    let is_string = match schema.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => false,
    };
    let is_address =
        schema.get("anyOf") == Some(&json!([{ "format": "ipv4" }, { "format": "ipv6" }]));
    is_string && !is_address && schema.get("enum").is_none() && schema.get("const").is_none()
}

/// Adds a pattern beside one the type may have already.
fn require_pattern(schema: &mut Schema, pattern: &str) {
    match schema.get("pattern") {
        None => _ = schema.insert("pattern".to_owned(), pattern.into()),
        Some(own) if own == pattern => {}
        Some(_) => {
            let rule = json!({ "pattern": pattern });
            match schema.get_mut("allOf").and_then(Value::as_array_mut) {
                Some(rules) if rules.contains(&rule) => {}
                Some(rules) => rules.push(rule),
                None => _ = schema.insert("allOf".to_owned(), json!([rule])),
            }
        }
    }
}

fn format_of(schema: &Schema) -> Option<&str> {
    schema.get("format").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(schema: Value) -> Value {
        let mut schema = Schema::try_from(schema).expect("a schema");
        publish(&mut schema);
        let once = schema.clone();
        publish(&mut schema);
        assert_eq!(schema, once, "publishing twice changes nothing");
        schema.to_value()
    }

    #[test]
    fn bounds_of_a_format_are_written_down_unless_tighter_ones_are() {
        assert_eq!(
            published(json!({ "type": "integer", "format": "uint32", "minimum": 1 })),
            json!({ "type": "integer", "format": "uint32", "minimum": 1, "maximum": u32::MAX })
        );
        assert_eq!(
            published(json!({ "items": { "type": "integer", "format": "int8", "maximum": 1000 } }))
                ["items"],
            json!({ "type": "integer", "format": "int8", "minimum": -128, "maximum": 127 })
        );
    }

    #[test]
    fn every_free_text_excludes_nul_and_keeps_its_own_pattern() {
        assert_eq!(published(json!({ "type": "string" }))["pattern"], NO_NUL);
        let anchored = json!({ "type": "string", "pattern": "^[a-z]+$" });
        assert_eq!(published(anchored.clone()), anchored);
        let loose = published(json!({ "type": "string", "pattern": "a" }));
        assert_eq!(loose["pattern"], "a");
        assert_eq!(loose["allOf"], json!([{ "pattern": NO_NUL }]));
        let listed = json!({ "type": "string", "enum": ["a"] });
        assert_eq!(published(listed.clone()), listed);
    }

    #[test]
    fn an_email_is_published_with_its_pattern_and_length() {
        let email = published(json!({ "type": "string", "format": "email", "maxLength": 100 }));
        assert_eq!(email["maxLength"], 100);
        assert_eq!(email["pattern"], Format::Email.pattern().expect("has one"));
    }
}
