//! The OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.0>).

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use mainstay_core::Code;
use serde_json::{Map, Value, json};

use super::{operation, page, schemas::Schemas};
use crate::{codes, edge::EdgeOptions, endpoint::Settled};

/// What an edge publishes about itself, rendered once at start-up.
#[derive(Debug)]
pub struct Document {
    value: Value,
    json: Bytes,
    page: Bytes,
    codes: Vec<Code>,
    mistakes: Vec<String>,
}

impl Document {
    pub(crate) fn build(
        options: &EdgeOptions,
        endpoints: &[Arc<Settled>],
        schemas: Schemas,
    ) -> Self {
        let EdgeOptions { title, version, transport, .. } = *options;
        let mut paths = Map::new();
        // A raw router has no contract to publish.
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.raw.is_none()) {
            // OpenAPI has no sign for the rest of a path.
            let path = endpoint.path.replace("{*", "{");
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[endpoint.method.as_str().to_ascii_lowercase()] =
                operation::render(endpoint, transport);
        }
        let (mut components, mut mistakes) = schemas.into_components();
        if components.insert("Problem".to_owned(), problem_schema()).is_some() {
            mistakes.push("the schema `Problem` is the edge's own: rename the type".to_owned());
        }
        let value = json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": version },
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": operation::security_schemes(transport),
            },
        });
        let codes: BTreeSet<Code> = endpoints
            .iter()
            .flat_map(|endpoint| endpoint.codes.iter().copied())
            // Answered where no endpoint was matched.
            .chain([codes::ROUTE_NOT_FOUND, codes::METHOD_NOT_ALLOWED])
            .collect();
        let codes: Vec<Code> = codes.into_iter().collect();
        let mut json = serde_json::to_vec_pretty(&value).unwrap_or_default();
        json.push(b'\n');
        let components = value["components"]["schemas"].as_object();
        let page =
            page::render(title, version, endpoints, &codes, components.unwrap_or(&Map::new()));
        Self { value, json: json.into(), page: page.into(), codes, mistakes }
    }

    /// The document as a value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The document as text, with a final newline.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The same for people, as HTML without scripts.
    pub fn page(&self) -> &Bytes {
        &self.page
    }

    /// Every code that the edge or an endpoint of it can answer with, sorted by name.
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }

    pub(crate) fn mistakes(&self) -> &[String] {
        &self.mistakes
    }
}

/// The shape of every error.
fn problem_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457). Branch on `code`.",
        "required": ["type", "title", "status", "code", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": text,
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "pattern": "^[A-Z][A-Z0-9_]*$" },
            "detail": text,
            "request_id": text,
            "retry_after_ms": { "type": "integer", "minimum": 0 },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["in", "pointer", "code", "message"],
                    "properties": {
                        "in": { "enum": ["body", "query", "path", "header"] },
                        "pointer": { "type": "string", "format": "json-pointer" },
                        "code": text,
                        "message": text,
                    },
                },
            },
        },
    })
}
