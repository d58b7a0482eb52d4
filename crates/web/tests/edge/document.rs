//! The OpenAPI document, read by somebody who knows nothing of how it is made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use axum::body::Body;
use mainstay_web::{
    Edge, EdgeBuilder, Json, Path, Routes, codes, get as endpoint,
    openapi::{self, errors_json, errors_markdown, route_table},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    answer::Answer,
    harness::{Bench, PEER, bench, get, options, parts},
};

fn document(bench: &Bench) -> Value {
    serde_json::from_slice(bench.edge.document().json()).expect("a JSON document")
}

/// Visits every value below `value`.
fn walk<'v>(value: &'v Value, visit: &mut impl FnMut(&'v Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// Every operation as `METHOD /path`.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path item");
        methods.iter().map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    });
    operations.collect()
}

/// The codes that an operation lists, each behind its status.
fn listed(operation: &Value) -> BTreeSet<String> {
    let responses = operation["responses"].as_object().expect("responses");
    let mut codes = BTreeSet::new();
    for (status, response) in responses {
        let schema = &response["content"]["application/problem+json"]["schema"];
        let names = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
        for name in names.into_iter().flatten() {
            codes.insert(format!("{status} {}", name.as_str().expect("a name")));
        }
    }
    codes
}

#[test]
fn every_reference_leads_somewhere() {
    let bench = bench();
    let document = document(&bench);
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a reference into the document");
            assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
            count += 1;
        }
    });
    assert!(count > 20, "only {count} references were found");
}

#[test]
fn operations_have_names_of_their_own_and_say_who_may_call() {
    let bench = bench();
    let document = document(&bench);
    let mut names = BTreeSet::new();
    for (place, operation) in operations(&document) {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name), "{name} is there twice");
        let public = operation["x-access"] == "public";
        assert_eq!(operation.get("security").is_none(), public, "{place}");
    }
    let find = operations(&document)["GET /things/{id}"];
    assert_eq!(
        (&find["operationId"], &find["x-access"]),
        (&"things.find".into(), &"self or admin".into())
    );
}

/// The closed set of an endpoint that takes no body, is public and limited.
const ALWAYS: [&str; 6] = [
    "400 MALFORMED_REQUEST",
    "400 INVALID_HOST",
    "414 URI_TOO_LONG",
    "431 HEAD_TOO_LARGE",
    "500 INTERNAL",
    "504 DEADLINE_EXCEEDED",
];
const LIMITED: [&str; 1] = ["429 RATE_LIMITED"];
const SIGNED_IN: [&str; 2] = ["401 UNAUTHENTICATED", "503 SESSIONS_UNAVAILABLE"];
const JUDGED: [&str; 1] = ["403 FORBIDDEN"];
const CHECKED: [&str; 1] = ["422 VALIDATION_FAILED"];
const WITH_BODY: [&str; 5] = [
    "400 MALFORMED_JSON",
    "408 REQUEST_TIMEOUT",
    "413 PAYLOAD_TOO_LARGE",
    "415 UNSUPPORTED_MEDIA_TYPE",
    "422 VALIDATION_FAILED",
];

#[test]
fn every_operation_lists_its_closed_set_and_nothing_more() {
    let bench = bench();
    let document = document(&bench);
    let operations = operations(&document);
    for (place, sets) in [
        ("GET /hello", &[] as &[&[&str]]),
        ("POST /hello", &[]),
        ("GET /limited", &[&LIMITED]),
        ("GET /endless", &[&LIMITED]),
        ("GET /search", &[&LIMITED, &CHECKED]),
        ("POST /things", &[&LIMITED, &WITH_BODY]),
        ("GET /me", &[&LIMITED, &SIGNED_IN, &JUDGED]),
        ("GET /things", &[&LIMITED, &SIGNED_IN, &JUDGED]),
        ("GET /things/{id}", &[&LIMITED, &SIGNED_IN, &JUDGED, &CHECKED]),
        ("POST /strict", &[&LIMITED, &SIGNED_IN, &JUDGED, &WITH_BODY]),
        ("GET /readyz", &[&["503 NOT_READY"], &CHECKED]),
        ("GET /startupz", &[&["503 NOT_READY"]]),
    ] {
        let sets = sets.iter().copied().chain([&ALWAYS[..]]);
        let expected: BTreeSet<_> = sets.flatten().map(|text| (*text).to_owned()).collect();
        assert_eq!(listed(operations[place]), expected, "{place}");
    }
    let every =
        codes::ALL.iter().map(|code| format!("{} {code}", codes::status(code.kind).as_str()));
    assert_eq!(listed(operations["GET /answer/{code}"]), every.collect());
}

#[test]
fn parameters_and_bodies_are_published_as_they_are_enforced() {
    let bench = bench();
    let document = document(&bench);
    let operations = operations(&document);
    let parameters = |place: &str| -> BTreeSet<String> {
        let parameters = operations[place]["parameters"].as_array().expect("parameters");
        let told = parameters.iter().map(|parameter| {
            let text = |key: &str| parameter[key].as_str().expect("text");
            let required = parameter["required"].as_bool().expect("said");
            assert!(parameter["schema"].is_object());
            let need = if required { "required" } else { "optional" };
            format!("{} {} {need}", text("in"), text("name"))
        });
        told.collect()
    };
    let search = [
        "header client-version optional",
        "query order optional",
        "query page optional",
        "query tag optional",
        "query word required",
    ];
    assert_eq!(parameters("GET /search"), search.map(str::to_owned).into());
    let replace = ["header if-match optional", "path id required"];
    assert_eq!(parameters("PUT /things/{id}"), replace.map(str::to_owned).into());
    let replace = ["header if-match required", "path id required"];
    assert_eq!(parameters("PUT /known/{id}"), replace.map(str::to_owned).into());

    let body = &operations["POST /things"]["requestBody"];
    assert_eq!(body["required"], true);
    let media_types: Vec<_> = body["content"].as_object().expect("content").keys().collect();
    assert_eq!(media_types, ["application/json", "application/merge-patch+json"]);
    let schema = &document["components"]["schemas"]["NewThing"];
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["name"]["maxLength"], 20);
    assert!(operations["GET /hello"].get("requestBody").is_none());
}

#[test]
fn only_reads_of_tagged_things_may_be_unchanged() {
    let bench = bench();
    let document = document(&bench);
    for (place, operation) in operations(&document) {
        let responses = &operation["responses"];
        let unchanged = responses.get("304").is_some();
        assert_eq!(unchanged, place == "GET /things/{id}", "{place}");
        let tagged = responses["200"]["headers"].get("etag").is_some();
        assert_eq!(tagged, place.ends_with(" /things/{id}"), "{place}");
    }
    assert!(
        operations(&document)["POST /things"]["responses"]["201"]["headers"]["location"]
            .is_object()
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rest {
    path: String,
}

async fn file(Path(Rest { path }): Path<Rest>) -> Json<String> {
    Json(path)
}

/// An edge that serves its own document, mounted as the application does it.
fn self_describing() -> Arc<Edge> {
    let bench = bench();
    let slot = Arc::new(OnceLock::new());
    let files = Routes::new("files", ()).add(endpoint("/files/{*path}", file).public());
    let edge = EdgeBuilder::default()
        .mount(files)
        .mount(openapi::routes(slot.clone()))
        .build(options(), parts(&bench.log, &bench.quotas))
        .expect("no contradiction");
    let edge = Arc::new(edge);
    slot.set(edge.clone()).expect("only here");
    edge
}

async fn answer(edge: &Edge, path: &str) -> Answer {
    let request = get(path).body(Body::empty()).expect("a request");
    let answer = Answer::read(edge.handle(request, &PEER).await).await;
    answer.check_promises();
    answer
}

#[tokio::test]
async fn the_document_is_served_as_it_is() {
    let edge = self_describing();
    let answer = answer(&edge, "/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.body, edge.document().json());
    assert!(answer.json()["paths"]["/docs"]["get"].is_object());
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_has_a_place_for_every_code() {
    let edge = self_describing();
    let answer = answer(&edge, "/docs").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    let html = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!html.contains("<script") && !html.contains("http:") && !html.contains("https:"));
    for code in edge.document().codes() {
        // What `type` of a problem points at.
        assert!(html.contains(&format!("id=\"{code}\"")), "{code}");
    }
}

#[tokio::test]
async fn the_page_shows_what_to_send_and_what_comes_back() {
    let edge = self_describing();
    let html = String::from_utf8_lossy(&answer(&edge, "/docs").await.body).into_owned();
    for endpoint in edge.document().value()["paths"].as_object().expect("paths").values() {
        for method in endpoint.as_object().expect("methods").keys() {
            let command = format!("<li><a href=\"#{method}");
            assert!(html.contains(&command), "{command}");
        }
    }
    for part in ["<pre>curl", "$API/", "<summary>Answer 200", "<summary>Errors"] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}

#[tokio::test]
async fn the_rest_of_a_path_is_one_parameter() {
    let edge = self_describing();
    assert_eq!(answer(&edge, "/files/a/b%20c").await.json(), "a/b c");
    let document = edge.document().value();
    let operation = &document["paths"]["/files/{path}"]["get"];
    assert_eq!(operation["parameters"][0]["name"], "path");
}

#[test]
fn the_registry_has_every_code_once_with_its_status() {
    let bench = bench();
    let codes = bench.edge.document().codes();
    let registry: Value = serde_json::from_str(&errors_json(codes)).expect("JSON");
    let entries = registry["codes"].as_array().expect("a list");
    let names: Vec<_> =
        entries.iter().map(|entry| entry["code"].as_str().expect("a name")).collect();
    assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for code in codes::ALL {
        let at = names.binary_search(&code.name).expect("every code of the edge");
        assert_eq!(entries[at]["status"], codes::status(code.kind).as_u16());
        assert_eq!(entries[at]["kind"], codes::kind_name(code.kind));
        assert!(errors_markdown(codes).contains(&format!("| `{code}` | {} |", code.meaning)));
    }
}

#[test]
fn the_route_table_shows_every_decision() {
    let table = route_table(&bench().edge);
    let row = |place: &str| {
        let mut rows =
            table.lines().filter(|row| row.split_whitespace().take(2).eq(place.split(' ')));
        rows.next().unwrap_or_else(|| panic!("{place} is not in\n{table}")).to_owned()
    };
    for (place, words) in [
        ("GET /hello", &["things", "public", "none: it is a test", "10s", "INTERNAL"] as &[_]),
        ("GET /things/{id}", &["self or admin", "600/1min per client", "FORBIDDEN"]),
        ("GET /me", &["authenticated", "2/1min per principal"]),
        ("GET /slow", &["50ms"]),
        ("GET /endless", &["none: it is a test"]),
        ("POST /upload", &["64B", "PAYLOAD_TOO_LARGE"]),
        ("POST /things", &["1MiB"]),
    ] {
        let row = row(place);
        assert!(words.iter().all(|word| row.contains(word)), "{row}");
    }
}
