//! What a JSON Schema says about size, about persons and about itself.

use std::collections::BTreeSet;

use regex_syntax::hir::Look;
use serde_json::{Map, Value};

/// The named schemas that references lead to.
pub(super) type Components = Map<String, Value>;

/// The schema a reference names.
fn target<'s>(schema: &'s Value, components: &'s Components) -> Option<(&'s str, &'s Value)> {
    let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
    Some((name, components.get(name)?))
}

fn list<'s>(schema: &'s Value, keyword: &str) -> impl Iterator<Item = &'s Value> + use<'s> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

/// Every schema applied to the same value, this one first. A named one is followed unless it is in
/// `named`, where it is put.
fn in_place<'s>(
    schema: &'s Value,
    components: &'s Components,
    named: &mut BTreeSet<&'s str>,
) -> Vec<&'s Value> {
    let mut found = vec![schema];
    let mut at = 0;
    while let Some(schema) = found.get(at).copied() {
        let referred = target(schema, components).filter(|(name, _)| named.insert(*name));
        found.extend(referred.map(|(_, schema)| schema));
        for keyword in ["allOf", "anyOf", "oneOf"] {
            found.extend(list(schema, keyword));
        }
        at += 1;
    }
    found
}

/// The values that a schema speaks of by itself, each with the step that leads there: `name`, `*`
/// for any item.
fn inside(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    let each = ["items", "additionalProperties"].into_iter().filter_map(|name| schema.get(name));
    let each = each.filter(|schema| !schema.is_boolean()).chain(list(schema, "prefixItems"));
    properties.chain(each.map(|schema| ("*", schema)))
}

/// Visits a value and everything inside of it, with a pointer to each. What is inside of a named
/// schema is visited where the name is met first, so a type that contains itself has an end.
pub(super) fn walk<'s>(
    schema: &'s Value,
    components: &'s Components,
    visit: &mut impl FnMut(&str, &'s Value),
) {
    let mut named = BTreeSet::new();
    let mut ahead = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = ahead.pop() {
        visit(&pointer, schema);
        let below = in_place(schema, components, &mut named).into_iter().flat_map(inside);
        let mut below: Vec<_> =
            below.map(|(name, schema)| (format!("{pointer}/{name}"), schema)).collect();
        // The last is taken first.
        below.reverse();
        ahead.append(&mut below);
    }
}

/// Whether the value, or a schema applied to it, is marked with the annotation.
pub(super) fn is_marked(schema: &Value, components: &Components, mark: &str) -> bool {
    let schemas = in_place(schema, components, &mut BTreeSet::new());
    schemas.iter().any(|schema| schema.get(mark) == Some(&Value::Bool(true)))
}

/// Whether the value, or a schema applied to it, has a description.
pub(super) fn is_described(schema: &Value, components: &Components) -> bool {
    let says = |schema: &&Value| {
        let text = schema.get("description").and_then(Value::as_str);
        text.is_some_and(|text| !text.trim().is_empty())
    };
    in_place(schema, components, &mut BTreeSet::new()).iter().any(says)
}

/// Which kinds of value cannot grow without end, because they are bounded or not admitted.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Bounds {
    pub(super) text: bool,
    pub(super) list: bool,
    pub(super) map: bool,
    /// The keys of maps.
    pub(super) names: bool,
}

impl Bounds {
    const ALL: Self = Self { text: true, list: true, map: true, names: true };

    fn or(self, other: Self) -> Self {
        Self {
            text: self.text || other.text,
            list: self.list || other.list,
            map: self.map || other.map,
            names: self.names || other.names,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            text: self.text && other.text,
            list: self.list && other.list,
            map: self.map && other.map,
            names: self.names && other.names,
        }
    }

    /// Of one value, by everything that is applied to it. No schema applies itself to its own
    /// value: such a contract is refused when it is compiled.
    pub(super) fn of(schema: &Value, components: &Components) -> Self {
        let keywords = match schema {
            Value::Bool(true) => return Self::default(),
            Value::Object(keywords) => keywords,
            _ => return Self::ALL,
        };
        if keywords.contains_key("enum") || keywords.contains_key("const") {
            return Self::ALL;
        }
        let mut bounds = Self::of_types(keywords).or(Self::of_keywords(keywords, components));
        if let Some((_, target)) = target(schema, components) {
            bounds = bounds.or(Self::of(target, components));
        }
        for part in list(schema, "allOf") {
            bounds = bounds.or(Self::of(part, components));
        }
        for keyword in ["anyOf", "oneOf"].into_iter().filter(|name| keywords.contains_key(*name)) {
            let branches = list(schema, keyword).map(|branch| Self::of(branch, components));
            bounds = bounds.or(branches.fold(Self::ALL, Self::and));
        }
        bounds
    }

    /// A type that is not admitted is bounded.
    fn of_types(keywords: &Map<String, Value>) -> Self {
        let admits = |name: &str| match keywords.get("type") {
            Some(Value::Array(names)) => names.iter().any(|known| known == name),
            Some(only) => only == name,
            None => true,
        };
        let map = !admits("object");
        Self { text: !admits("string"), list: !admits("array"), map, names: map }
    }

    fn of_keywords(keywords: &Map<String, Value>, components: &Components) -> Self {
        let text = |name: &str| keywords.get(name).and_then(Value::as_str);
        let closed = keywords.get("additionalProperties") == Some(&Value::Bool(false));
        let names = keywords.get("propertyNames");
        Self {
            text: keywords.contains_key("maxLength")
                // Every format that is enforced has a longest text, but for the one of URLs.
                || text("format").is_some_and(|name| name != "uri")
                || text("pattern").is_some_and(has_longest_match),
            list: keywords.contains_key("maxItems"),
            map: closed || keywords.contains_key("maxProperties"),
            names: closed || names.is_some_and(|names| Self::of(names, components).text),
        }
    }
}

/// Whether a pattern matches whole texts only, none of which is longer than some length.
fn has_longest_match(pattern: &str) -> bool {
    regex_syntax::parse(pattern).is_ok_and(|expression| {
        let properties = expression.properties();
        properties.look_set_prefix().contains(Look::Start)
            && properties.look_set_suffix().contains(Look::End)
            && properties.maximum_len().is_some()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unbounded(schema: &Value) -> [bool; 4] {
        let Bounds { text, list, map, names } = Bounds::of(schema, &Components::new());
        [text, list, map, names].map(|bounded| !bounded)
    }

    #[test]
    fn what_can_grow_is_told_from_what_cannot() {
        let (text, list, map, names) = (
            [true, false, false, false],
            [false, true, false, false],
            [false, false, true, true],
            [false, false, false, true],
        );
        for (schema, expected) in [
            (json!({ "type": "string" }), text),
            (json!({ "type": ["string", "null"], "format": "uri" }), text),
            (json!({ "type": "string", "pattern": "[a-z]{3}" }), text),
            (json!({ "type": "string", "pattern": "^[a-z]+$" }), text),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), text),
            (json!({ "type": "array", "items": { "type": "string" } }), list),
            (json!({ "type": "object", "additionalProperties": { "type": "null" } }), map),
            (json!({ "type": "object", "maxProperties": 1, "additionalProperties": {} }), names),
            (json!(true), [true; 4]),
            (json!({}), [true; 4]),
            (json!({ "type": "string", "maxLength": 1 }), [false; 4]),
            (json!({ "type": "string", "pattern": "^[a-z]{3}$" }), [false; 4]),
            (json!({ "type": "string", "allOf": [{ "maxLength": 1 }] }), [false; 4]),
            (json!({ "type": "string", "format": "uuid" }), [false; 4]),
            (
                json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
                [false; 4],
            ),
            (json!({ "enum": ["a", "b"] }), [false; 4]),
            (json!({ "type": ["integer", "null"] }), [false; 4]),
            (json!({ "type": "object", "additionalProperties": false }), [false; 4]),
        ] {
            assert_eq!(unbounded(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_walk_follows_references_and_ends_in_loops() {
        let node = json!({
            "type": "object",
            "properties": {
                "last": { "$ref": "#/components/schemas/Node" },
                "name": {},
                "next": { "anyOf": [{ "$ref": "#/components/schemas/Node" }, { "type": "null" }] },
            },
        });
        let components = Components::from_iter([("Node".to_owned(), node)]);
        let root = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Node" } });
        let mut seen = Vec::new();
        walk(&root, &components, &mut |pointer, _| seen.push(pointer.to_owned()));
        assert_eq!(seen, ["", "/*", "/*/last", "/*/name", "/*/next"]);
    }
}
