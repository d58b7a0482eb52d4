//! Holds a value against the compiled rules and gathers everything that is wrong with it.
//!
//! Problems come in the order of the value's members, an object's missing members last. A value of
//! the wrong type is not asked for anything else, and a text of the wrong length for nothing more.

use std::collections::HashSet;

use mainstay_core::{FieldProblem, Location};
use serde_json::{Map, Value};

use super::{
    Contract,
    number::Number,
    problem::{Broken, PROBLEMS_MAX, Step, Trail},
    schema::{
        Additional, Count, List, Matches, Node, NodeId, Object, Pattern, Range, Tag, Text, Types,
        Union,
    },
};

/// Where problems go. Nothing is allocated for a value without any.
pub(super) struct Findings {
    location: Location,
    interest: Interest,
    problems: Vec<FieldProblem>,
    /// How many were found, those that say the same counted again.
    found: usize,
}

/// How many problems are looked at, when most say the same: 130,000 unknown names fit into a body
/// of a megabyte, and making a message takes about a microsecond.
const LOOKS_MAX: usize = 20 * PROBLEMS_MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    /// Every problem, up to the limit.
    Problems,
    /// Only whether there is one.
    Verdict,
}

impl Findings {
    pub(super) const fn new(location: Location) -> Self {
        Self { location, interest: Interest::Problems, problems: Vec::new(), found: 0 }
    }

    pub(super) fn add(&mut self, trail: Trail<'_>, broken: &Broken<'_>) {
        if self.is_settled() {
            return;
        }
        self.found += 1;
        if self.interest == Interest::Verdict {
            return;
        }
        // Two branches of an `allOf` may say the same, and a parameter that could not be decoded is
        // not missing as well.
        let problem = broken.at(self.location, trail);
        let missing = matches!(broken, Broken::Required);
        let told = |earlier: &FieldProblem| {
            *earlier == problem || missing && earlier.pointer == problem.pointer
        };
        if !self.problems.iter().any(told) {
            self.problems.push(problem);
        }
    }

    /// Whether looking further cannot change the answer.
    pub(super) fn is_settled(&self) -> bool {
        match self.interest {
            Interest::Problems => self.problems.len() >= PROBLEMS_MAX || self.found >= LOOKS_MAX,
            Interest::Verdict => self.found > 0,
        }
    }

    pub(super) fn into_problems(self) -> Vec<FieldProblem> {
        self.problems
    }
}

impl Contract {
    /// Everything wrong with a value; empty, and nothing allocated, if nothing is.
    ///
    /// At most [`PROBLEMS_MAX`] problems are listed. Numbers are expected as the readers leave
    /// them: an integer is not a float.
    pub fn check(&self, value: &Value, location: Location) -> Vec<FieldProblem> {
        let mut findings = Findings::new(location);
        self.check_root(value, &mut findings);
        findings.into_problems()
    }

    pub(super) fn check_root(&self, value: &Value, out: &mut Findings) {
        self.check_node(self.compiled.root, value, Trail::ROOT, out);
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.compiled.nodes[id.index()]
    }

    fn check_node(&self, id: NodeId, value: &Value, trail: Trail<'_>, out: &mut Findings) {
        let node = self.node(id);
        if !node.admits.meets(Types::of(value)) {
            let nothing = node.admits == Types::NONE;
            let broken = if nothing { Broken::Forbidden } else { Broken::WrongType(node.admits) };
            return out.add(trail, &broken);
        }
        if let Some(allowed) = &node.allowed
            && !allowed.values.contains(value)
        {
            return out.add(trail, &Broken::NotAllowed(&allowed.words));
        }
        match value {
            Value::String(text) => {
                node.text.iter().for_each(|rules| check_text(rules, text, trail, out));
            }
            Value::Number(number) => {
                node.range.iter().for_each(|rules| check_range(rules, number.into(), trail, out));
            }
            Value::Array(items) => {
                node.list.iter().for_each(|rules| self.check_list(rules, items, trail, out));
            }
            Value::Object(members) => {
                node.object.iter().for_each(|rules| self.check_object(rules, members, trail, out));
            }
            Value::Null | Value::Bool(_) => {}
        }
        node.all_of.iter().for_each(|id| self.check_node(*id, value, trail, out));
        node.unions.iter().for_each(|union| self.check_union(union, value, trail, out));
        if node.not.is_some_and(|id| self.accepts(id, value)) {
            out.add(trail, &Broken::Forbidden);
        }
    }

    fn accepts(&self, id: NodeId, value: &Value) -> bool {
        // The location of a problem nobody will read.
        let mut verdict = Findings { interest: Interest::Verdict, ..Findings::new(Location::Body) };
        self.check_node(id, value, Trail::ROOT, &mut verdict);
        verdict.found == 0
    }

    fn check_list(&self, rules: &List, items: &[Value], trail: Trail<'_>, out: &mut Findings) {
        let length = items.len() as u64;
        if length < rules.length_min {
            out.add(trail, &Broken::TooFew(rules.length_min, Count::Items));
        }
        if let Some(max) = rules.length_max.filter(|max| length > *max) {
            out.add(trail, &Broken::TooMany(max, Count::Items));
        }
        if rules.unique && has_repetition(items) {
            out.add(trail, &Broken::NotUnique);
        }
        for (index, item) in items.iter().enumerate() {
            let Some(id) = rules.prefix.get(index).or(rules.items.as_ref()) else { return };
            if out.is_settled() {
                return;
            }
            self.check_node(*id, item, trail.then(Step::Index(index)), out);
        }
    }

    fn check_object(
        &self,
        rules: &Object,
        members: &Map<String, Value>,
        trail: Trail<'_>,
        out: &mut Findings,
    ) {
        let size = members.len() as u64;
        if size < rules.size_min {
            out.add(trail, &Broken::TooFew(rules.size_min, Count::Fields));
        }
        if let Some(max) = rules.size_max.filter(|max| size > *max) {
            out.add(trail, &Broken::TooMany(max, Count::Fields));
        }
        for (name, value) in members {
            if out.is_settled() {
                return;
            }
            self.check_member(rules, name, value, trail, out);
        }
        for name in rules.required.iter().filter(|name| !members.contains_key(&***name)) {
            out.add(trail.then(Step::Name(name)), &Broken::Required);
        }
    }

    fn check_member(
        &self,
        rules: &Object,
        name: &str,
        value: &Value,
        trail: Trail<'_>,
        out: &mut Findings,
    ) {
        if let Some(names) = rules.names {
            let name = Value::String(name.to_owned());
            self.check_node(names, &name, trail.then(Step::Hidden), out);
        }
        match (rules.property(name), rules.additional) {
            (Some((known, id)), _) => {
                self.check_node(id, value, trail.then(Step::Name(known)), out);
            }
            (None, Additional::Each(id)) => {
                self.check_node(id, value, trail.then(Step::Hidden), out);
            }
            (None, Additional::Closed) => {
                let known = rules.properties.iter().map(|(known, _)| &**known).collect();
                out.add(trail, &Broken::UnknownField { known });
            }
            (None, Additional::Any) => {}
        }
    }

    fn check_union(&self, union: &Union, value: &Value, trail: Trail<'_>, out: &mut Findings) {
        if let (Some(tag), Value::Object(members)) = (&union.tag, value) {
            return self.check_tagged(tag, members, value, trail, out);
        }
        let types = Types::of(value);
        let mut fitting =
            union.branches.iter().copied().filter(|id| self.node(*id).admits.meets(types));
        // One that fits by type is the one that is meant: `anyOf: [X, null]` is a nullable X.
        if let (Some(only), None) = (fitting.next(), fitting.next()) {
            return self.check_node(only, value, trail, out);
        }
        let matching = union.branches.iter().filter(|id| self.accepts(**id, value));
        let passes = match union.matches {
            Matches::AtLeastOne => matching.take(1).count() == 1,
            Matches::ExactlyOne => matching.take(2).count() == 1,
        };
        if passes {
            return;
        }
        match self.intended(union, value) {
            Some(id) if !self.accepts(id, value) => self.check_node(id, value, trail, out),
            _ => out.add(trail, &Broken::NoMatch),
        }
    }

    /// The only branch that requires a member which the value has: serde writes a variant as
    /// `{"variant": …}`.
    fn intended(&self, union: &Union, value: &Value) -> Option<NodeId> {
        let members = value.as_object()?;
        let mut named = union.branches.iter().copied().filter(|id| {
            let mut required = self.object_of(*id).into_iter().flat_map(|object| &object.required);
            required.any(|name| members.contains_key(&**name))
        });
        named.next().filter(|_| named.next().is_none())
    }

    /// The tag alone decides: every branch requires another value of it.
    fn check_tagged(
        &self,
        tag: &Tag,
        members: &Map<String, Value>,
        value: &Value,
        trail: Trail<'_>,
        out: &mut Findings,
    ) {
        let place = trail.then(Step::Name(&tag.property));
        match members.get(&*tag.property) {
            None => out.add(place, &Broken::Required),
            Some(Value::String(variant)) => {
                let known = tag.variants.binary_search_by(|(name, _)| (**name).cmp(variant));
                match known {
                    Ok(at) => self.check_node(tag.variants[at].1, value, trail, out),
                    Err(_) => out.add(place, &Broken::NotAllowed(&tag.words)),
                }
            }
            Some(_) => out.add(place, &Broken::WrongType(Types::STRING)),
        }
    }
}

fn check_text(rules: &Text, text: &str, trail: Trail<'_>, out: &mut Findings) {
    // A character has 1 to 4 bytes, so most lengths are decided without counting.
    let bytes = text.len() as u64;
    if let Some(max) = rules.length_max
        && bytes > max
        && text.chars().count() as u64 > max
    {
        return out.add(trail, &Broken::TooLong(max));
    }
    if bytes / 4 < rules.length_min && (text.chars().count() as u64) < rules.length_min {
        return out.add(trail, &Broken::TooShort(rules.length_min));
    }
    if let Some(format) = rules.format
        && !format.accepts(text)
    {
        let (code, message) = format.problem();
        out.add(trail, &Broken::Format(code, message));
    }
    match &rules.pattern {
        Some(Pattern::NoNul) if text.as_bytes().contains(&0) => {
            out.add(trail, &Broken::Character);
        }
        Some(Pattern::Regex(regex)) if !regex.is_match(text) => {
            let message = rules.pattern_message.as_deref();
            out.add(trail, &Broken::Pattern { expression: regex.as_str(), message });
        }
        _ => {}
    }
}

fn check_range(rules: &Range, number: Number, trail: Trail<'_>, out: &mut Findings) {
    if let Some(min) = rules.min.filter(|min| number.is_less(*min)) {
        out.add(trail, &Broken::TooSmall(min));
    }
    if let Some(limit) = rules.above.filter(|limit| !number.is_greater(*limit)) {
        out.add(trail, &Broken::NotAbove(limit));
    }
    if let Some(max) = rules.max.filter(|max| number.is_greater(*max)) {
        out.add(trail, &Broken::TooLarge(max));
    }
    if let Some(limit) = rules.below.filter(|limit| !number.is_less(*limit)) {
        out.add(trail, &Broken::NotBelow(limit));
    }
    if let Some(divisor) = rules.multiple_of.filter(|divisor| !number.is_multiple_of(*divisor)) {
        out.add(trail, &Broken::NotMultiple(divisor));
    }
}

/// Linear in the number of items: the hasher is seeded, so a caller cannot aim for collisions.
fn has_repetition(items: &[Value]) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    !items.iter().all(|item| seen.insert(item))
}
