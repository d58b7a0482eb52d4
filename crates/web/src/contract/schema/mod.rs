//! The rules of one input type, compiled from the JSON Schema that is published for it.

use std::fmt;

use regex::Regex;
use serde_json::Value;

use super::number::Number;

mod compile;
mod format;
mod keywords;
mod pattern;
mod publish;
mod settle;

pub use compile::Unsupported;
pub(super) use compile::{Compiled, compile};
pub(super) use format::Format;
pub use publish::publish;

/// A position in the list of nodes; a recursive type refers back by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

impl NodeId {
    pub(super) const fn index(self) -> usize {
        self.0
    }
}

/// One (sub)schema. Every part is a conjunction: a value must pass all that are present.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The types that can pass this node at all, `$ref` and `anyOf` taken into account.
    pub(super) admits: Types,
    pub(super) allowed: Option<Allowed>,
    pub(super) text: Option<Box<Text>>,
    pub(super) range: Option<Box<Range>>,
    pub(super) list: Option<Box<List>>,
    pub(super) object: Option<Box<Object>>,
    pub(super) all_of: Vec<NodeId>,
    pub(super) unions: Vec<Union>,
    pub(super) not: Option<NodeId>,
}

/// `enum` and `const`.
#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) values: Vec<Value>,
    /// For messages: `one of a, b`.
    pub(super) words: Box<str>,
}

/// Rules of strings. Lengths are in characters (Unicode scalar values), as JSON Schema has them.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) length_min: u64,
    pub(super) length_max: Option<u64>,
    pub(super) format: Option<Format>,
    pub(super) pattern: Option<Pattern>,
}

/// `pattern`, searched unanchored.
#[derive(Debug)]
pub(super) enum Pattern {
    /// The rule of every text: no U+0000. Recognised because a search for a byte is much cheaper.
    NoNul,
    Regex(Regex),
}

/// Rules of numbers.
#[derive(Debug, Default)]
pub(super) struct Range {
    pub(super) min: Option<Number>,
    pub(super) max: Option<Number>,
    pub(super) above: Option<Number>,
    pub(super) below: Option<Number>,
    pub(super) multiple_of: Option<i64>,
}

/// Rules of arrays.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) prefix: Vec<NodeId>,
    pub(super) items: Option<NodeId>,
    pub(super) length_min: u64,
    pub(super) length_max: Option<u64>,
    pub(super) unique: bool,
}

/// Rules of objects.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Sorted by name.
    pub(super) properties: Vec<(Box<str>, NodeId)>,
    pub(super) required: Vec<Box<str>>,
    pub(super) additional: Additional,
    pub(super) names: Option<NodeId>,
    pub(super) size_min: u64,
    pub(super) size_max: Option<u64>,
}

impl Object {
    /// The rules of a member, if the contract names it.
    pub(super) fn property(&self, name: &str) -> Option<(&str, NodeId)> {
        let at = self.properties.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        let (known, id) = &self.properties[at];
        Some((known, *id))
    }
}

/// Members that `properties` does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Additional {
    /// Anything goes.
    #[default]
    Any,
    /// None.
    Closed,
    /// Each has to pass the node.
    Each(NodeId),
}

/// `anyOf` and `oneOf`.
#[derive(Debug)]
pub(super) struct Union {
    pub(super) branches: Vec<NodeId>,
    pub(super) matches: Matches,
    /// The member whose value tells which branch is meant, when every branch has one.
    pub(super) tag: Option<Tag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    /// `anyOf`
    AtLeastOne,
    /// `oneOf`
    ExactlyOne,
}

/// A required member that has one value per branch, and no value twice.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) property: Box<str>,
    pub(super) variants: Vec<(Box<str>, NodeId)>,
    /// For messages: `one of a, b`.
    pub(super) words: Box<str>,
}

/// A set of JSON types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(1 << 1);
    pub(super) const INTEGER: Self = Self(1 << 2);
    const FRACTION: Self = Self(1 << 3);
    pub(super) const NUMBER: Self = Self(Self::INTEGER.0 | Self::FRACTION.0);
    pub(super) const STRING: Self = Self(1 << 4);
    pub(super) const ARRAY: Self = Self(1 << 5);
    pub(super) const OBJECT: Self = Self(1 << 6);
    pub(super) const ALL: Self = Self(0x7f);

    /// The type of a value; a number without a fraction is an integer.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if Number::from(number).is_integer() => Self::INTEGER,
            Value::Number(_) => Self::FRACTION,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// The type JSON Schema calls by this name.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    /// Whether the sets share a type.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::ALL
    }
}

/// For messages: `a string or null`.
impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if self.meets(Self::FRACTION) {
            (Self::NUMBER, "a number")
        } else {
            (Self::INTEGER, "an integer")
        };
        let named = [
            (Self::STRING, "a string"),
            number,
            (Self::BOOLEAN, "true or false"),
            (Self::ARRAY, "a list"),
            (Self::OBJECT, "an object"),
            (Self::NULL, "null"),
        ];
        let mut separator = "";
        for (types, name) in named {
            if self.meets(types) {
                write!(f, "{separator}{name}")?;
                separator = " or ";
            }
        }
        Ok(())
    }
}

/// `one of a, b`, or `a` alone.
fn one_of(words: impl ExactSizeIterator<Item = String>) -> Box<str> {
    let prefix = if words.len() == 1 { "" } else { "one of " };
    let words: Vec<_> = words.collect();
    format!("{prefix}{}", words.join(", ")).into()
}

/// What a size counts, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Characters,
    Items,
    Fields,
    Parameters,
}

impl Count {
    /// `1 character`, `2 characters`.
    pub(super) fn of(self, number: u64) -> String {
        let noun = match self {
            Self::Characters => "character",
            Self::Items => "item",
            Self::Fields => "field",
            Self::Parameters => "parameter",
        };
        format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
    }
}
