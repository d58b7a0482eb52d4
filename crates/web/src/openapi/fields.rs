//! The fields of a schema, one line each, as people read them.

use serde_json::{Map, Value};

/// How deep a reader follows, and a schema that refers to itself is followed.
pub(super) const DEPTH_MAX: usize = 5;

/// One field.
pub(super) struct Field<'s> {
    /// `name`, `name.part`, `list[].part`.
    pub(super) path: String,
    pub(super) is_required: bool,
    pub(super) rules: String,
    pub(super) description: &'s str,
}

/// All fields below a schema, in its order.
pub(super) fn of<'s>(schema: &'s Value, components: &'s Map<String, Value>) -> Vec<Field<'s>> {
    let mut fields = Vec::new();
    collect(&mut fields, "", schema, components, 0);
    fields
}

fn collect<'s>(
    fields: &mut Vec<Field<'s>>,
    path: &str,
    schema: &'s Value,
    components: &'s Map<String, Value>,
    depth: usize,
) {
    if depth == DEPTH_MAX {
        return;
    }
    let schema = meant(schema, components);
    if let Some(items) = schema.get("items") {
        collect(fields, &format!("{path}[]"), items, components, depth + 1);
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let resolved = meant(property, components);
        // A property says what it is for; its type, what it is.
        let description = property["description"].as_str().or(resolved["description"].as_str());
        fields.push(Field {
            path: path.clone(),
            is_required: required.iter().any(|known| known == name.as_str()),
            rules: rules(resolved),
            description: description.unwrap_or_default(),
        });
        collect(fields, &path, resolved, components, depth + 1);
    }
}

/// What a reader wants to know of a schema, and the words before it. Patterns are for machines.
const KEYWORDS: [(&str, &str); 10] = [
    ("type", ""),
    ("format", ""),
    ("enum", ""),
    ("minLength", "at least "),
    ("maxLength", "at most "),
    ("maxItems", "at most "),
    ("minimum", "from "),
    ("maximum", "to "),
    ("default", "default "),
    ("const", "always "),
];

/// The rules of a schema in a few words: `string · email · at most 254`.
pub(super) fn rules(schema: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = |value: &Value| match value {
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(" | "),
        value => word(value),
    };
    let told = KEYWORDS.iter().filter_map(|(keyword, before)| {
        schema.get(keyword).map(|value| format!("{before}{}", words(value)))
    });
    told.collect::<Vec<_>>().join(" · ")
}

/// The schema that a reference names, or what may be there beside `null`, or the schema itself.
pub(super) fn meant<'s>(schema: &'s Value, components: &'s Map<String, Value>) -> &'s Value {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    let choice = choices.and_then(|all| all.iter().find(|choice| choice["type"] != "null"));
    let schema = choice.unwrap_or(schema);
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    name.and_then(|name| components.get(name)).unwrap_or(schema)
}
