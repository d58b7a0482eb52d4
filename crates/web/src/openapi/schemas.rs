//! The schemas of inputs and outputs, each generated once and referred to by name.

use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value};

use crate::contract;

/// Two generators, because serde may read and write a type differently (`default`,
/// `skip_serializing_if`).
#[derive(Debug)]
pub(crate) struct Schemas {
    input: SchemaGenerator,
    output: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Schemas {
    pub(crate) fn new() -> Self {
        let generator = |contract: Contract| {
            SchemaSettings::draft2020_12()
                .with(|settings| {
                    settings.definitions_path = "/components/schemas".into();
                    settings.meta_schema = None;
                    settings.contract = contract;
                })
                .into_generator()
        };
        Self { input: generator(Contract::Deserialize), output: generator(Contract::Serialize) }
    }

    /// What the service takes as `T`.
    pub(crate) fn input<T: JsonSchema>(&mut self) -> Value {
        published(self.input.subschema_for::<T>())
    }

    /// The fields of `T` as parameters: its schema in place, not by name.
    pub(crate) fn parameters<T: JsonSchema>(&mut self) -> Value {
        published(T::json_schema(&mut self.input))
    }

    /// What the service answers as `T`.
    pub(crate) fn output<T: JsonSchema>(&mut self) -> Value {
        published(self.output.subschema_for::<T>())
    }

    /// Every named schema. One name with two meanings is a mistake: rename one of the types.
    pub(crate) fn into_components(mut self) -> (Map<String, Value>, Vec<String>) {
        let mut components = Map::new();
        let mut mistakes = Vec::new();
        let inputs = self.input.take_definitions(true);
        let outputs = self.output.take_definitions(true);
        for (name, schema) in inputs.into_iter().chain(outputs) {
            let Ok(schema) = schemars::Schema::try_from(schema) else { continue };
            let schema = published(schema);
            match components.get(&name) {
                Some(other) if *other != schema => mistakes.push(format!(
                    "the schema `{name}` would mean two things (as an input and as an output, or \
                     two types of one name): rename one with #[schemars(rename = \"…\")]"
                )),
                _ => {
                    components.insert(name, schema);
                }
            }
        }
        (components, mistakes)
    }
}

/// The form that is published is the form that is enforced.
fn published(mut schema: schemars::Schema) -> Value {
    contract::publish(&mut schema);
    schema.to_value()
}
