//! `Operation`: what the parts of a handler say about themselves, collected for the contract.

use std::any::type_name;

use axum::http::StatusCode;
use mainstay_core::{Code, FaultSet, Location};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::{codes, contract::Contract, extract::contracts, openapi::Schemas};

/// One parameter of the path, the query or the headers.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The name on the wire.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// Whether a request without it is refused.
    pub required: bool,
    /// Its JSON Schema.
    pub schema: Value,
}

/// The body an endpoint takes.
#[derive(Clone, Debug)]
pub struct RequestBody {
    /// A reference to, or the text of, its JSON Schema.
    pub schema: Value,
    /// The media types taken.
    pub media_types: &'static [&'static str],
}

/// One successful answer.
#[derive(Clone, Debug)]
pub struct ResponseSpec {
    /// Its status.
    pub status: StatusCode,
    /// One phrase for the documents.
    pub description: &'static str,
    /// Its body's schema and media type, when it has a body.
    pub body: Option<(&'static str, Value)>,
    /// Headers that a client may rely on, with what they say.
    pub headers: &'static [(&'static str, &'static str)],
}

/// The contract of one endpoint, under construction.
#[derive(Debug)]
pub struct Operation {
    pub(crate) schemas: Schemas,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<RequestBody>,
    pub(crate) responses: Vec<ResponseSpec>,
    pub(crate) codes: Vec<Code>,
    pub(crate) needs_caller: bool,
    pub(crate) answers_credential: bool,
    pub(crate) mistakes: Vec<String>,
}

impl Operation {
    pub(crate) fn new(schemas: Schemas) -> Self {
        Self {
            schemas,
            parameters: Vec::new(),
            body: None,
            responses: Vec::new(),
            codes: vec![codes::INTERNAL],
            needs_caller: false,
            answers_credential: false,
            mistakes: Vec::new(),
        }
    }

    /// The endpoint may answer with this code.
    pub fn may_answer(&mut self, code: Code) {
        self.codes.push(code);
    }

    /// The endpoint may answer with every code of `E`.
    pub fn declares<E: FaultSet>(&mut self) {
        E::declare(&mut self.codes);
    }

    /// The handler wants to know the caller, so the endpoint cannot be public.
    pub fn needs_caller(&mut self) {
        self.needs_caller = true;
    }

    /// A successful answer holds a credential, so it may not be kept anywhere.
    pub fn answers_credential(&mut self) {
        self.answers_credential = true;
    }

    /// Adds a successful answer.
    pub fn answers(&mut self, response: ResponseSpec) {
        self.responses.push(response);
    }

    /// The schema of an answer's body.
    pub fn output_schema<T: JsonSchema>(&mut self) -> Value {
        self.schemas.output::<T>()
    }

    /// The endpoint takes `T` as its body.
    pub fn takes_body<T: JsonSchema + 'static>(&mut self, media_types: &'static [&'static str]) {
        if self.compiled::<T>().is_some() {
            let schema = self.schemas.input::<T>();
            self.body = Some(RequestBody { schema, media_types });
        }
        for code in [
            codes::MALFORMED_JSON,
            codes::VALIDATION_FAILED,
            codes::UNSUPPORTED_MEDIA_TYPE,
            codes::PAYLOAD_TOO_LARGE,
            codes::REQUEST_TIMEOUT,
        ] {
            self.may_answer(code);
        }
    }

    /// The endpoint takes the fields of `T` as parameters.
    pub fn takes_parameters<T: JsonSchema + 'static>(&mut self, location: Location) {
        self.may_answer(codes::VALIDATION_FAILED);
        if self.compiled::<T>().is_none() {
            return;
        }
        let schema = self.schemas.parameters::<T>();
        let required: Vec<&str> = list(&schema, "required");
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        for (name, property) in properties {
            self.parameters.push(Parameter {
                name: name.clone(),
                location,
                required: location == Location::Path || required.contains(&name.as_str()),
                schema: property.clone(),
            });
        }
    }

    /// Adds one parameter that is not part of a struct.
    pub fn takes_parameter(&mut self, parameter: Parameter) {
        self.parameters.push(parameter);
    }

    fn compiled<T: JsonSchema + 'static>(&mut self) -> Option<&'static Contract> {
        contracts::of::<T>()
            .map_err(|why| self.mistakes.push(format!("{}: {why}", type_name::<T>())))
            .ok()
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> Vec<&'a str> {
    let items = schema.get(key).and_then(Value::as_array);
    items.map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}
