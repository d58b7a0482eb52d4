//! Query, path and header parameters: texts that become a value of the types the contract names,
//! and are then held against it like a body.

use std::{borrow::Cow, collections::BTreeSet};

use mainstay_core::{FieldProblem, Location};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, map::Entry};

use super::{
    Contract,
    check::Findings,
    decode,
    json::{JsonLimits, parse},
    problem::{Broken, Step, Trail},
    schema::{Additional, Count, NodeId, Object, Types},
};

/// How many parameters a request may have. Taste: no endpoint names as many, and each costs a look.
pub const PARAMETERS_MAX: usize = 100;

impl Contract {
    /// Reads a query string, without its `?`: percent-encoded, `+` for a space. A name that is
    /// given several times makes a list.
    pub fn read_query<T: DeserializeOwned>(&self, query: &str) -> Result<T, Vec<FieldProblem>> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let decoded = pairs.map(|(name, text)| (decoded_form(name), decoded_form(text)));
        self.read_parameters(decoded, Location::Query)
    }

    /// Reads the parameters of a route's template, percent-encoded as they are in the path.
    pub fn read_path<'r, T: DeserializeOwned>(
        &self,
        parameters: impl IntoIterator<Item = (&'r str, &'r str)>,
    ) -> Result<T, Vec<FieldProblem>> {
        let parameters = parameters.into_iter();
        let decoded =
            parameters.map(|(name, text)| (Some(Cow::Borrowed(name)), decoded(text.into())));
        self.read_parameters(decoded, Location::Path)
    }

    /// Reads the headers that the contract names, in any case, and no others.
    pub fn read_headers<'r, T: DeserializeOwned>(
        &self,
        headers: impl IntoIterator<Item = (&'r str, &'r [u8])>,
    ) -> Result<T, Vec<FieldProblem>> {
        let known = self.root_object();
        let named = headers.into_iter().filter_map(|(name, text)| {
            let mut properties = known?.properties.iter();
            let (known, _) = properties.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some((Some(Cow::Borrowed(&**known)), str::from_utf8(text).ok().map(Cow::Borrowed)))
        });
        self.read_parameters(named, Location::Header)
    }

    fn read_parameters<'r, T: DeserializeOwned>(
        &self,
        pairs: impl Iterator<Item = (Option<Cow<'r, str>>, Option<Cow<'r, str>>)>,
        location: Location,
    ) -> Result<T, Vec<FieldProblem>> {
        let mut gathered = Gathered::new(self, location);
        for (at, (name, text)) in pairs.enumerate() {
            if at == PARAMETERS_MAX {
                let limit = Broken::TooMany(PARAMETERS_MAX as u64, Count::Parameters);
                gathered.out.add(Trail::ROOT, &limit);
                break;
            }
            gathered.take(name.as_deref(), text.as_deref());
        }
        let value = gathered.value.into();
        let mut findings = gathered.out;
        self.check_root(&value, &mut findings);
        let problems = findings.into_problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        decode(value, location).map_err(|problem| vec![problem])
    }

    pub(super) fn root_object(&self) -> Option<&Object> {
        self.object_of(self.compiled.root)
    }

    /// The object rules of a node, or of the only one it refers to.
    pub(super) fn object_of(&self, id: NodeId) -> Option<&Object> {
        let node = self.node(id);
        node.object.as_deref().or_else(|| self.object_of(*node.all_of.first()?))
    }

    /// What the items of a list may be, when a node takes lists.
    fn items_of(&self, id: NodeId) -> Option<Types> {
        let node = self.node(id);
        let own = node.list.as_ref().and_then(|list| list.items);
        let branches = node.unions.iter().flat_map(|union| union.branches.iter());
        own.map(|id| self.node(id).admits)
            .or_else(|| node.all_of.iter().chain(branches).find_map(|id| self.items_of(*id)))
    }
}

/// The parameters of one request on their way to one object.
struct Gathered<'c> {
    contract: &'c Contract,
    object: Option<&'c Object>,
    value: Map<String, Value>,
    repeated: BTreeSet<&'c str>,
    out: Findings,
}

impl<'c> Gathered<'c> {
    fn new(contract: &'c Contract, location: Location) -> Self {
        let (value, repeated) = (Map::new(), BTreeSet::new());
        let out = Findings::new(location);
        Self { contract, object: contract.root_object(), value, repeated, out }
    }

    /// Takes one parameter; `None` for a name or a text that could not be decoded.
    fn take(&mut self, name: Option<&str>, text: Option<&str>) {
        let Some(name) = name else { return self.out.add(Trail::ROOT, &Broken::Encoding) };
        let property = self.object.and_then(|object| object.property(name));
        let Some((known, id)) = property else { return self.take_unnamed(name, text) };
        let place = Trail::ROOT.then(Step::Name(known));
        let Some(text) = text else { return self.out.add(place, &Broken::Encoding) };
        let admits = self.contract.node(id).admits;
        let list = admits.meets(Types::ARRAY);
        let types = if list { self.contract.items_of(id).unwrap_or(Types::ALL) } else { admits };
        let value = value_of(text, types);
        match self.value.entry(known) {
            Entry::Vacant(entry) if list => _ = entry.insert(Value::Array(vec![value])),
            Entry::Vacant(entry) => _ = entry.insert(value),
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(items) => items.push(value),
                _ if self.repeated.insert(known) => self.out.add(place, &Broken::DuplicateField),
                _ => {}
            },
        }
    }

    /// Takes a parameter the contract does not name: an entry of a map, or one too many, which the
    /// check then finds in its place.
    fn take_unnamed(&mut self, name: &str, text: Option<&str>) {
        let Some(text) = text else { return self.out.add(Trail::ROOT, &Broken::Encoding) };
        let types = match self.object.map(|object| object.additional) {
            Some(Additional::Each(id)) => self.contract.node(id).admits,
            _ => Types::STRING,
        };
        if self.value.insert(name.to_owned(), value_of(text, types)).is_some() {
            self.out.add(Trail::ROOT.then(Step::Hidden), &Broken::DuplicateField);
        }
    }
}

/// A text as the value the types ask for; a text that is none of them stays a text, so that the
/// check says which type it must be.
fn value_of(text: &str, types: Types) -> Value {
    match text {
        "true" | "false" if types.meets(Types::BOOLEAN) => return Value::Bool(text == "true"),
        _ => {}
    }
    // JSON's own grammar of numbers: no `+1`, no `01`, no white space.
    let starts_as_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if types.meets(Types::NUMBER)
        && starts_as_number
        && !text.ends_with(|last: char| last.is_ascii_whitespace())
        && let Ok(parsed) = parse(text.as_bytes(), JsonLimits::default())
    {
        return parsed.value;
    }
    Value::String(text.to_owned())
}

/// `application/x-www-form-urlencoded`, where `+` is a space.
fn decoded_form(text: &str) -> Option<Cow<'_, str>> {
    decoded(if text.contains('+') { text.replace('+', " ").into() } else { text.into() })
}

/// Percent-decoded; `None` for what is not UTF-8 then, or has a stray `%`.
fn decoded(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if !text.as_bytes().contains(&b'%') {
        return Some(text);
    }
    let escaped = |(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.match_indices('%').all(escaped) {
        return None;
    }
    Some(percent_decode(text.as_bytes()).decode_utf8().ok()?.into_owned().into())
}
