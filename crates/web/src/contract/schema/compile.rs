//! Compiles a published JSON Schema (draft 2020-12) into nodes, or says why it cannot be enforced.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use schemars::Schema;
use serde_json::{Map, Number, Value};

use super::{
    super::number::value_of_f64, Allowed, Matches, Node, NodeId, Types, Union, keywords::Parts,
    publish, settle, words::one_of,
};
use crate::contract::problem::push_name;

/// A schema that promises what is not enforced, or that leaves its input open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}` of the schema: {reason}")]
pub struct Unsupported {
    /// Where in the schema, as a JSON Pointer; below `$ref` it goes on in the definition.
    pub pointer: String,
    /// What is wrong and what to do, in one sentence.
    pub reason: Cow<'static, str>,
}

/// The nodes of one input type.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
    /// Every property name the schema uses: what may appear in a pointer.
    pub(crate) names: BTreeSet<Box<str>>,
}

/// Compiles `schema`; its references are looked up by name in `definitions`, then in its `$defs`.
pub(crate) fn compile(
    schema: &Value,
    definitions: &Map<String, Value>,
) -> Result<Compiled, Unsupported> {
    let no_own = Map::new();
    let own = schema.get("$defs").and_then(Value::as_object).unwrap_or(&no_own);
    let mut compiler = Compiler::new([definitions, own]);
    compiler.expect_published(schema)?;
    let root = compiler.node(schema)?;
    if settle::refers_to_itself(&compiler.nodes) {
        return compiler.refuse("a definition is nothing but a reference to itself");
    }
    settle::types(&mut compiler.nodes);
    settle::tags(&mut compiler.nodes);
    Ok(Compiled { nodes: compiler.nodes, root, names: compiler.names })
}

/// The state of one compilation.
pub(super) struct Compiler<'a> {
    definitions: [&'a Map<String, Value>; 2],
    nodes: Vec<Node>,
    references: BTreeMap<&'a str, NodeId>,
    pub(super) names: BTreeSet<Box<str>>,
    path: Vec<String>,
    /// Below `not`, where an open object is the narrower rule.
    negated: usize,
}

/// Keywords that promise nothing to a sender.
const ANNOTATIONS: [&str; 12] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// An extension of ours beside `pattern`: what a person is told instead of the expression.
pub(super) const PATTERN_MESSAGE: &str = "x-pattern-message";

/// Whether a keyword promises nothing: an annotation, or an extension of OpenAPI.
fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || (keyword.starts_with("x-") && keyword != PATTERN_MESSAGE)
}

/// A value with its numbers as the reader of bodies has them.
fn normalised(value: &Value) -> Value {
    let float = value.as_number().filter(|number| number.is_f64()).and_then(Number::as_f64);
    float.and_then(value_of_f64).unwrap_or_else(|| value.clone())
}

impl<'a> Compiler<'a> {
    fn new(definitions: [&'a Map<String, Value>; 2]) -> Self {
        Self {
            definitions,
            nodes: Vec::new(),
            references: BTreeMap::new(),
            names: BTreeSet::new(),
            path: Vec::new(),
            negated: 0,
        }
    }

    pub(super) fn refuse<T>(&self, reason: impl Into<Cow<'static, str>>) -> Result<T, Unsupported> {
        let mut pointer = String::new();
        self.path.iter().for_each(|name| push_name(&mut pointer, name));
        Err(Unsupported { pointer, reason: reason.into() })
    }

    /// Goes one step down for the length of `work`.
    pub(super) fn within<T>(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce(&mut Self) -> Result<T, Unsupported>,
    ) -> Result<T, Unsupported> {
        self.path.push(name.into());
        let result = work(self)?;
        self.path.pop();
        Ok(result)
    }

    /// What is compiled must be what is published, with nothing implied.
    fn expect_published(&self, schema: &Value) -> Result<(), Unsupported> {
        let Ok(mut published) = Schema::try_from(schema.clone()) else {
            return self.refuse("a schema is an object or a boolean");
        };
        publish(&mut published);
        if published.as_value() == schema {
            return Ok(());
        }
        self.refuse("is not in its published form; pass it through `publish` first")
    }

    pub(super) fn node(&mut self, schema: &'a Value) -> Result<NodeId, Unsupported> {
        let keywords = match schema {
            Value::Bool(true) => return Ok(self.add(Node::default())),
            Value::Bool(false) => {
                return Ok(self.add(Node { admits: Types::NONE, ..Node::default() }));
            }
            Value::Object(keywords) => keywords,
            _ => return self.refuse("a schema is an object or a boolean"),
        };
        let mut rules = keywords.keys().filter(|name| !is_annotation(name));
        if let (Some("$ref"), None) = (rules.next().map(String::as_str), rules.next()) {
            return self.reference(&keywords["$ref"]);
        }
        let node = self.rules(keywords)?;
        Ok(self.add(node))
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    fn reference(&mut self, reference: &'a Value) -> Result<NodeId, Unsupported> {
        let Some(reference) = reference.as_str() else {
            return self.refuse("`$ref` is a string");
        };
        let prefixes = ["#/$defs/", "#/components/schemas/"];
        let Some(name) = prefixes.iter().find_map(|prefix| reference.strip_prefix(prefix)) else {
            return self.refuse("`$ref` must name a definition: `#/$defs/…`");
        };
        if let Some(id) = self.references.get(name) {
            return Ok(*id);
        }
        let Some(schema) = self.definitions.iter().find_map(|known| known.get(name)) else {
            return self.refuse(format!("refers to `{name}`, which is not defined"));
        };
        // The place is taken before its content is known, so that a type can contain itself.
        let id = self.add(Node::default());
        self.references.insert(name, id);
        self.within("$ref", |this| {
            this.expect_published(schema)?;
            let content = this.node(schema)?;
            this.nodes[id.index()].all_of.push(content);
            Ok(id)
        })
    }

    fn rules(&mut self, keywords: &'a Map<String, Value>) -> Result<Node, Unsupported> {
        let mut node = Node::default();
        let mut parts = Parts::default();
        for (keyword, value) in keywords.iter().filter(|(name, _)| !is_annotation(name)) {
            self.within(keyword, |this| {
                let known = this.general(keyword, value, &mut node)?
                    || this.text(keyword, value, &mut parts)?
                    || this.range(keyword, value, &mut parts)?
                    || this.list(keyword, value, &mut parts)?
                    || this.object(keyword, value, &mut parts)?;
                if known {
                    return Ok(());
                }
                this.refuse(format!(
                    "the keyword `{keyword}` is not enforced, so it must not be promised"
                ))
            })?;
        }
        self.expect_closed(keywords, &node)?;
        self.expect_useful(&node, &parts)?;
        parts.move_into(&mut node);
        Ok(node)
    }

    /// Keywords about a value of any type.
    fn general(
        &mut self,
        keyword: &str,
        value: &'a Value,
        node: &mut Node,
    ) -> Result<bool, Unsupported> {
        match keyword {
            "type" => node.admits = self.types(value)?,
            "enum" => {
                let values = self.array(value)?.iter().map(normalised).collect();
                node.allowed = Some(self.allowed(values, node)?);
            }
            "const" => node.allowed = Some(self.allowed(vec![normalised(value)], node)?),
            "$ref" => node.all_of.push(self.reference(value)?),
            "allOf" => node.all_of.extend(self.nodes_of(value)?),
            "anyOf" | "oneOf" => {
                let matches =
                    if keyword == "oneOf" { Matches::ExactlyOne } else { Matches::AtLeastOne };
                let branches = self.nodes_of(value)?;
                node.unions.push(Union { branches, matches, tag: None });
            }
            "not" => {
                self.negated += 1;
                node.not = Some(self.node(value)?);
                self.negated -= 1;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn types(&self, value: &Value) -> Result<Types, Unsupported> {
        let names = match value {
            Value::Array(names) => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut types = Types::NONE;
        for name in names {
            match name.as_str().and_then(Types::named) {
                Some(one) => types = types.or(one),
                None => return self.refuse("is not a type of JSON Schema"),
            }
        }
        Ok(types)
    }

    fn allowed(&self, values: Vec<Value>, node: &Node) -> Result<Allowed, Unsupported> {
        if node.allowed.is_some() {
            return self.refuse("`const` and `enum` together say one thing twice");
        }
        if values.iter().any(|value| value.is_array() || value.is_object()) {
            return self.refuse("lists and objects cannot be enumerated");
        }
        let words = one_of(values.iter().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
        Ok(Allowed { values, words })
    }

    pub(super) fn nodes_of(&mut self, schemas: &'a Value) -> Result<Vec<NodeId>, Unsupported> {
        let schemas = self.array(schemas)?.iter().enumerate();
        schemas.map(|(at, schema)| self.within(at.to_string(), |this| this.node(schema))).collect()
    }

    pub(super) fn array<'v>(&self, value: &'v Value) -> Result<&'v [Value], Unsupported> {
        match value {
            Value::Array(list) => Ok(list),
            _ => self.refuse("is a list"),
        }
    }

    pub(super) fn size(&self, value: &Value) -> Result<u64, Unsupported> {
        value.as_u64().map_or_else(|| self.refuse("is a count"), Ok)
    }

    /// An object without `additionalProperties` takes whatever a caller makes up.
    fn expect_closed(&self, keywords: &Map<String, Value>, node: &Node) -> Result<(), Unsupported> {
        let describes_objects = keywords.contains_key("properties")
            || keywords.contains_key("type") && node.admits.meets(Types::OBJECT);
        if !describes_objects || keywords.contains_key("additionalProperties") || self.negated > 0 {
            return Ok(());
        }
        self.refuse(
            "takes unknown fields; put `#[serde(deny_unknown_fields)]` on the type, so that a \
             misspelt optional field is an error and not silence",
        )
    }

    /// A rule for another type than the value's does nothing, which nobody who wrote it wants.
    fn expect_useful(&self, node: &Node, parts: &Parts) -> Result<(), Unsupported> {
        let table = [
            (parts.text.is_some(), Types::STRING, "strings"),
            (parts.range.is_some() || parts.numeric_format, Types::NUMBER, "numbers"),
            (parts.list.is_some(), Types::ARRAY, "lists"),
            (parts.object.is_some(), Types::OBJECT, "objects"),
        ];
        match table.iter().find(|(used, types, _)| *used && !node.admits.meets(*types)) {
            None => Ok(()),
            Some((_, _, what)) => self.refuse(format!(
                "has a rule for {what}, and its type admits none; for the items of a list write \
                 `inner(…)`"
            )),
        }
    }
}
