//! Who may keep an answer: a success as its endpoint says, anything else nobody.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use mainstay_web::{
    Authenticated, Cache, Edge, EdgeBuilder, EdgeOptions, Json, Query, Routes, Tagged, Transport,
    endpoint::{Operation, Respond},
    get as endpoint,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Answer,
    harness::{PEER, by, get, options, parts},
    parts::{Lines, Quotas},
};

const MINUTE: Duration = Duration::from_mins(1);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn everybodys(_: Query<Nothing>) -> Tagged<Json<u32>> {
    Tagged::new(7, Json(1))
}

async fn own() -> Json<u32> {
    Json(1)
}

async fn nobodys() -> Json<u32> {
    Json(1)
}

/// An answer that varies by itself.
struct Worded;

impl Respond for Worded {
    fn describe(operation: &mut Operation) {
        Json::<u32>::describe(operation);
    }

    fn respond(self) -> Response {
        let mut response = Json(1_u32).respond();
        let language = HeaderValue::from_static("accept-language");
        response.headers_mut().insert(header::VARY, language);
        response
    }
}

async fn worded() -> Worded {
    Worded
}

fn edge(transport: Transport) -> Edge {
    let routes = Routes::new("kept", ())
        .add(endpoint("/public", everybodys).public().cache(Cache::Public(MINUTE)))
        .add(endpoint("/private", own).allow(Authenticated).cache(Cache::Private(MINUTE)))
        .add(endpoint("/worded", worded).allow(Authenticated).cache(Cache::Private(MINUTE)))
        .add(endpoint("/never", nobodys).public().cache(Cache::NoStore));
    let parts = parts(&Arc::<Lines>::default(), &Arc::<Quotas>::default());
    EdgeBuilder::default()
        .mount(routes)
        .build(EdgeOptions { transport, ..options() }, parts)
        .expect("no contradiction")
}

async fn ask(edge: &Edge, request: http::request::Builder) -> Answer {
    let request = request.body(Body::empty()).expect("a request");
    Answer::read(edge.handle(request, &PEER).await).await
}

#[tokio::test]
async fn a_success_is_kept_as_its_endpoint_says_and_a_refusal_never() {
    let edge = edge(Transport::Bearer);
    for (request, status, control, vary) in [
        (get("/public"), 200, "public, max-age=60", None),
        (get("/public").method("HEAD"), 200, "public, max-age=60", None),
        (get("/public").header("if-none-match", "\"7\""), 304, "public, max-age=60", None),
        (get("/public?surplus=1"), 422, "no-store", None),
        (by("alice", get("/private")), 200, "private, max-age=60", Some("authorization")),
        (get("/private"), 401, "no-store", Some("authorization")),
        (get("/never"), 200, "no-store", None),
        (get("/nowhere"), 404, "no-store", None),
    ] {
        let case = format!("{request:?}");
        let answer = ask(&edge, request).await;
        assert_eq!(answer.status, status, "{case}");
        assert_eq!(answer.header("cache-control"), Some(control), "{case}");
        assert_eq!(answer.header("vary"), vary, "{case}");
    }
}

#[tokio::test]
async fn what_an_answer_varies_by_itself_is_said_too() {
    let answer = ask(&edge(Transport::Bearer), by("alice", get("/worded"))).await;
    let values: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(values, ["accept-language", "authorization"]);
}

#[tokio::test]
async fn a_private_answer_is_kept_apart_by_whatever_the_credential_comes_in() {
    let answer = ask(&edge(Transport::Cookie), by("alice", get("/private"))).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(answer.header("vary"), Some("authorization, cookie"));
}
