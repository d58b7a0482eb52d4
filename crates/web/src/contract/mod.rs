//! Contracts: the JSON Schema of an input type is what is published and what is enforced.
//!
//! `schemars` derives the schema from the type, [`publish`] completes it with what its formats
//! imply, and a [`Contract`] compiled from that very schema checks every input, so the document and
//! the check cannot differ. An input goes bytes → JSON value → check, all problems at once →
//! `Deserialize`. A schema that promises a rule which is not enforced does not compile.

use mainstay_core::{FieldProblem, Location};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

mod check;
mod json;
mod number;
mod params;
mod problem;
mod schema;
#[cfg(test)]
mod tests;

pub use json::{JsonLimits, Malformed, Reason};
pub use params::PARAMETERS_MAX;
pub use problem::{FIELD_CODES, PROBLEMS_MAX};
pub use schema::{Unsupported, publish};

use check::Findings;
use json::{Duplicate, Place};
use problem::{Broken, Step, Trail};
use schema::Compiled;

/// The compiled rules of one input type. Compile it once, at start-up.
#[derive(Debug)]
pub struct Contract {
    schema: Value,
    compiled: Compiled,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyProblem {
    /// It is not a JSON document.
    Malformed(Malformed),
    /// It is, and breaks the contract. Never empty.
    Invalid(Vec<FieldProblem>),
}

impl Contract {
    /// The contract of a type on its own.
    pub fn of<T: JsonSchema + ?Sized>() -> Result<Self, Unsupported> {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let mut schema = settings.into_generator().into_root_schema_for::<T>();
        publish(&mut schema);
        Self::compile(&schema, &Map::new())
    }

    /// The contract of a schema in its published form. References (`#/$defs/…`,
    /// `#/components/schemas/…`) are looked up by name in `definitions`, which are published too,
    /// and in the schema's own `$defs`.
    pub fn compile(schema: &Schema, definitions: &Map<String, Value>) -> Result<Self, Unsupported> {
        let schema = schema.as_value().clone();
        Ok(Self { compiled: schema::compile(&schema, definitions)?, schema })
    }

    /// The schema that is enforced, in its published form.
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// The members of the input, sorted by name; none if it is not an object.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        let properties = self.root_object().into_iter().flat_map(|object| &object.properties);
        properties.map(|(name, _)| &**name)
    }

    /// Reads a JSON body. The caller has bounded its size.
    pub fn read_body<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, BodyProblem> {
        let parsed = json::parse(bytes, JsonLimits::default()).map_err(BodyProblem::Malformed)?;
        let mut findings = Findings::new(Location::Body);
        self.check_root(&parsed.value, &mut findings);
        parsed.duplicates.iter().for_each(|duplicate| self.add_duplicate(duplicate, &mut findings));
        let problems = findings.into_problems();
        if !problems.is_empty() {
            return Err(BodyProblem::Invalid(problems));
        }
        decode(parsed.value, Location::Body).map_err(|problem| BodyProblem::Invalid(vec![problem]))
    }

    /// Points at a repeated member as far as the contract knows the names on the way.
    fn add_duplicate(&self, Duplicate(places): &Duplicate, out: &mut Findings) {
        fn walk(contract: &Contract, places: &[Place], trail: Trail<'_>, out: &mut Findings) {
            let Some((place, rest)) = places.split_first() else {
                return out.add(trail, &Broken::DuplicateField);
            };
            let step = match place {
                Place::Index(index) => Step::Index(*index),
                Place::Name(name) if contract.compiled.names.contains(&**name) => Step::Name(name),
                Place::Name(_) => Step::Hidden,
            };
            walk(contract, rest, trail.then(step), out);
        }
        walk(self, places, Trail::ROOT, out);
    }
}

/// Turns a checked value into its type.
///
/// A type may still refuse what its schema allows, in a hand-written `Deserialize`. Its message
/// could repeat the value, so it is dropped.
fn decode<T: DeserializeOwned>(value: Value, location: Location) -> Result<T, FieldProblem> {
    T::deserialize(value).map_err(|_| Broken::Invalid.at(location, Trail::ROOT))
}
