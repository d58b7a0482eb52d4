//! The rules themselves: a list of nodes that refer to each other.

use regex::Regex;
use serde_json::Value;

use super::{Format, Types};
use crate::contract::number::Number;

/// A position in the list of nodes; a recursive type refers back by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(super) usize);

impl NodeId {
    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// One (sub)schema. Every part is a conjunction: a value must pass all that are present.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The types that can pass this node at all, `$ref` and `anyOf` taken into account.
    pub(crate) admits: Types,
    pub(crate) allowed: Option<Allowed>,
    pub(crate) text: Option<Box<Text>>,
    pub(crate) range: Option<Box<Range>>,
    pub(crate) list: Option<Box<List>>,
    pub(crate) object: Option<Box<Object>>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) unions: Vec<Union>,
    pub(crate) not: Option<NodeId>,
}

/// `enum` and `const`.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) values: Vec<Value>,
    /// For messages: `one of a, b`.
    pub(crate) words: Box<str>,
}

/// Rules of strings. Lengths are in characters (Unicode scalar values), as JSON Schema has them.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) length_min: u64,
    pub(crate) length_max: Option<u64>,
    pub(crate) format: Option<Format>,
    pub(crate) pattern: Option<Pattern>,
    /// What a person is told instead of the expression.
    pub(crate) pattern_message: Option<Box<str>>,
}

/// `pattern`, searched unanchored.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// The rule of every text: no U+0000. Recognised because a search for a byte is much cheaper.
    NoNul,
    Regex(Regex),
}

/// Rules of numbers.
#[derive(Debug, Default)]
pub(crate) struct Range {
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    pub(crate) above: Option<Number>,
    pub(crate) below: Option<Number>,
    pub(crate) multiple_of: Option<i64>,
}

/// Rules of arrays.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) prefix: Vec<NodeId>,
    pub(crate) items: Option<NodeId>,
    pub(crate) length_min: u64,
    pub(crate) length_max: Option<u64>,
    pub(crate) unique: bool,
}

/// Rules of objects.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// Sorted by name.
    pub(crate) properties: Vec<(Box<str>, NodeId)>,
    pub(crate) required: Vec<Box<str>>,
    pub(crate) additional: Additional,
    pub(crate) names: Option<NodeId>,
    pub(crate) size_min: u64,
    pub(crate) size_max: Option<u64>,
}

impl Object {
    /// The rules of a member, if the contract names it.
    pub(crate) fn property(&self, name: &str) -> Option<(&str, NodeId)> {
        let at = self.properties.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        let (known, id) = &self.properties[at];
        Some((known, *id))
    }
}

/// Members that `properties` does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Additional {
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
pub(crate) struct Union {
    pub(crate) branches: Vec<NodeId>,
    pub(crate) matches: Matches,
    /// The member whose value tells which branch is meant, when every branch has one.
    pub(crate) tag: Option<Tag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matches {
    /// `anyOf`
    AtLeastOne,
    /// `oneOf`
    ExactlyOne,
}

/// A required member that has one value per branch, and no value twice.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) property: Box<str>,
    pub(crate) variants: Vec<(Box<str>, NodeId)>,
    /// For messages: `one of a, b`.
    pub(crate) words: Box<str>,
}
