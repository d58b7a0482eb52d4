//! One endpoint as an OpenAPI operation.

use std::collections::BTreeMap;

use mainstay_core::{Code, Policy};
use serde_json::{Map, Value, json};

use crate::{
    codes,
    edge::{REPLAYED, SESSION_COOKIE},
    endpoint::{Access, Parameter, ResponseSpec, Settled, SettledLimit},
    extract::Transport,
};

/// How callers sign in.
pub(super) fn security_schemes(transport: Transport) -> Value {
    let bearer = json!({ "type": "http", "scheme": "bearer" });
    match transport {
        Transport::Bearer => json!({ "bearer": bearer }),
        Transport::Cookie => {
            let cookie = json!({ "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE });
            json!({ "bearer": bearer, "cookie": cookie })
        }
    }
}

pub(super) fn render(endpoint: &Settled, transport: Transport) -> Value {
    let mut operation = json!({
        "operationId": format!("{}.{}", endpoint.module, endpoint.name),
        "tags": [endpoint.module],
        "responses": responses(endpoint),
        "x-access": endpoint.access.label(),
    });
    if let Some(summary) = endpoint.summary {
        operation["summary"] = json!(summary);
    }
    let mut parameters: Vec<Value> = endpoint.parameters.iter().map(parameter).collect();
    if is_conditional(endpoint) {
        parameters.push(json!({
            "name": "if-none-match",
            "in": "header",
            "required": false,
            "schema": { "type": "string" },
            "description": "ETags the client has, or `*`; answered with 304 if one is right.",
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = &endpoint.body {
        let media = |name: &&str| ((*name).to_owned(), json!({ "schema": body.schema }));
        let content: Map<_, _> = body.media_types.iter().map(media).collect();
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if matches!(endpoint.access, Access::Allow(_)) {
        operation["security"] = match transport {
            Transport::Bearer => json!([{ "bearer": [] }]),
            Transport::Cookie => json!([{ "bearer": [] }, { "cookie": [] }]),
        };
    }
    if let Some(scope) = endpoint.scope {
        operation["x-scope"] = json!(scope.0);
    }
    let limits: Vec<Value> = endpoint.limits.told().map(limit).collect();
    if !limits.is_empty() {
        operation["x-rate-limits"] = limits.into();
    }
    operation
}

fn limit(limit: &SettledLimit) -> Value {
    let Policy { name, quota, window, outage } = &limit.policy;
    let mut value = json!({
        "policy": name,
        "counts": limit.key.to_string(),
        "quota": quota,
        "window_seconds": window.as_secs(),
        "on_outage": outage.as_str(),
    });
    if limit.cost != 1 {
        value["cost"] = limit.cost.into();
    }
    value
}

/// Whether the edge may answer 304 for the endpoint.
fn is_conditional(endpoint: &Settled) -> bool {
    endpoint.method == axum::http::Method::GET
        && endpoint.responses.iter().any(ResponseSpec::is_tagged)
}

fn parameter(parameter: &Parameter) -> Value {
    let mut schema = parameter.schema.clone();
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut value = json!({
        "name": parameter.name,
        "in": parameter.location.as_str(),
        "required": parameter.required,
        "schema": schema,
    });
    if let Some(description) = description {
        value["description"] = description;
    }
    value
}

fn responses(endpoint: &Settled) -> Value {
    let mut responses = Map::new();
    for response in &endpoint.responses {
        let mut value = success(response);
        if endpoint.is_by_key() {
            value["headers"][REPLAYED] = replayed();
        }
        responses.insert(response.status.as_str().to_owned(), value);
    }
    if is_conditional(endpoint) {
        responses.insert("304".to_owned(), json!({ "description": "Unchanged" }));
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in &endpoint.codes {
        by_status.entry(codes::status(code.kind).as_u16()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let mut value = refusal(&codes);
        if endpoint.is_by_key() && status < 500 {
            value["headers"] = json!({ REPLAYED: replayed() });
        }
        responses.insert(status.to_string(), value);
    }
    Value::Object(responses)
}

fn success(response: &ResponseSpec) -> Value {
    let mut value = json!({ "description": response.description });
    if let Some((media_type, schema)) = &response.body {
        value["content"] = json!({ *media_type: { "schema": schema } });
    }
    if !response.headers.is_empty() {
        let header = |(name, says): &(&str, &str)| {
            ((*name).to_owned(), json!({ "description": says, "schema": { "type": "string" } }))
        };
        value["headers"] = Value::Object(response.headers.iter().map(header).collect());
    }
    value
}

/// The header of an answer that was given before.
fn replayed() -> Value {
    json!({
        "description": "`true` if this is the answer to an earlier request with the same key.",
        "required": false,
        "schema": { "const": "true" },
    })
}

/// The problem shape with `code` narrowed to what this endpoint can answer at this status, so that
/// a client can branch exhaustively.
fn refusal(codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.name).collect();
    let meanings: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}.", code.name, code.meaning)).collect();
    json!({
        "description": meanings.join(" "),
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "code": { "enum": names } } },
            ],
        } } },
    })
}
