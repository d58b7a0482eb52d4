//! Reads JSON strictly: what RFC 8259 leaves open (repeated names, depth, odd numbers) is decided.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

use super::{
    number::value_of_f64,
    problem::{PROBLEMS_MAX, Step, Trail},
};

/// What is read at most. Size is bounded by whoever reads the bytes.
#[derive(Clone, Copy, Debug)]
pub struct JsonLimits {
    /// How deep arrays and objects may nest; the document's own outermost one is 1.
    pub depth_max: usize,
}

impl Default for JsonLimits {
    /// 32 levels: taste. A request nested deeper is an attack or a mistake, and each level costs
    /// stack.
    fn default() -> Self {
        Self { depth_max: 32 }
    }
}

/// A body that is not a JSON document. Holds a position and nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} (line {line}, column {column})", reason.sentence())]
pub struct Malformed {
    /// What is wrong.
    pub reason: Reason,
    /// Counted from 1; 0 in an empty body.
    pub line: usize,
    /// In bytes, counted from 1; 0 when the line is still empty.
    pub column: usize,
}

/// Why a body is not a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No bytes, or only white space.
    Empty,
    /// Not UTF-8.
    Encoding,
    /// The body ends in the middle.
    Truncated,
    /// A character that cannot be there, half a surrogate pair, or a number beyond 64-bit floats.
    Syntax,
    /// More than [`JsonLimits::depth_max`] levels.
    TooDeep,
}

impl Reason {
    /// A fixed fragment for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "the body is empty",
            Self::Encoding => "the body is not UTF-8",
            Self::Truncated => "the JSON document ends before it is complete",
            Self::Syntax => "the body is not a JSON document",
            Self::TooDeep => "the JSON document is nested too deeply",
        }
    }
}

/// A document, and the members that it names twice.
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) duplicates: Vec<Duplicate>,
}

/// The path to a member that is given more than once. The names are the caller's: they may be
/// repeated only if the contract knows them.
pub(super) struct Duplicate(pub(super) Vec<Place>);

/// A step of a [`Duplicate`].
pub(super) enum Place {
    Name(String),
    Index(usize),
}

/// Reads one document and nothing after it.
///
/// A float without a fraction becomes the integer it is, because JSON Schema counts `1.0` as an
/// integer; beyond 2^53 that is the number the float stands for, not the digits that were sent.
pub(super) fn parse(bytes: &[u8], limits: JsonLimits) -> Result<Parsed, Malformed> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed_at(Reason::Encoding, &bytes[..error.valid_up_to()]))?;
    let state = State::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Seed { trail: &Trail::ROOT, depth_left: limits.depth_max, state: &state };
    let value = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(value) => Ok(Parsed { value, duplicates: state.duplicates.into_inner() }),
        Err(error) => Err(Malformed {
            reason: reason_of(&error, text, &state),
            line: error.line(),
            column: error.column(),
        }),
    }
}

fn reason_of(error: &serde_json::Error, text: &str, state: &State) -> Reason {
    if state.too_deep.get() {
        Reason::TooDeep
    } else if text.trim_ascii().is_empty() {
        Reason::Empty
    } else if error.is_eof() {
        Reason::Truncated
    } else {
        Reason::Syntax
    }
}

/// The position just after `before`.
fn malformed_at(reason: Reason, before: &[u8]) -> Malformed {
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = before.split(|&byte| byte == b'\n').count();
    Malformed { reason, line, column: before.len() - line_start + 1 }
}

/// What one reading gathers besides the value.
#[derive(Default)]
struct State {
    duplicates: RefCell<Vec<Duplicate>>,
    too_deep: Cell<bool>,
}

impl State {
    fn duplicate(&self, object: Trail<'_>, name: &str) {
        let mut duplicates = self.duplicates.borrow_mut();
        if duplicates.len() == PROBLEMS_MAX {
            return;
        }
        let mut places: Vec<_> = object.then(Step::Name(name)).back().map(Place::from).collect();
        places.reverse();
        duplicates.push(Duplicate(places));
    }
}

impl From<Step<'_>> for Place {
    fn from(step: Step<'_>) -> Self {
        match step {
            Step::Name(name) => Self::Name(name.to_owned()),
            Step::Index(index) => Self::Index(index),
            Step::Hidden => Self::Name(String::new()),
        }
    }
}

/// Reads one value. It is its own visitor: each level has a trail and a depth of its own.
#[derive(Clone, Copy)]
struct Seed<'a> {
    trail: &'a Trail<'a>,
    depth_left: usize,
    state: &'a State,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<usize, E> {
        self.depth_left.checked_sub(1).ok_or_else(|| {
            self.state.too_deep.set(true);
            E::custom("nested too deeply")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        value_of_f64(value).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth_left = self.deeper()?;
        let mut list = Vec::new();
        loop {
            let trail = self.trail.then(Step::Index(list.len()));
            match items.next_element_seed(Seed { trail: &trail, depth_left, ..self })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth_left = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let trail = self.trail.then(Step::Name(&name));
            let value = members.next_value_seed(Seed { trail: &trail, depth_left, ..self })?;
            match object.entry(name) {
                Entry::Vacant(place) => _ = place.insert(value),
                Entry::Occupied(taken) => self.state.duplicate(*self.trail, taken.key()),
            }
        }
        Ok(Value::Object(object))
    }
}
