//! What route tables can say against themselves, and the sentence each mistake gets.

use std::{sync::Arc, time::Duration};

use mainstay_web::{
    Authenticated, Body, Cache, Edge, EdgeBuilder, Json, Limit, NoContent, Path, Query, Repeat,
    Routes, SignedIn, WithSession, get, post,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    harness::{options, parts},
    parts::{Lines, Quotas},
};

const MINUTE: Duration = Duration::from_mins(1);

async fn nothing() -> NoContent {
    NoContent
}

async fn nothing_else() -> NoContent {
    NoContent
}

async fn signed_in(_: SignedIn) -> NoContent {
    NoContent
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    #[expect(dead_code, reason = "only its schema is of interest")]
    id: u32,
}

async fn by_id(_: Path<Named>) -> NoContent {
    NoContent
}

async fn with_body(_: Body<Named>) -> NoContent {
    NoContent
}

#[derive(Deserialize, JsonSchema)]
struct Open {
    #[expect(dead_code, reason = "only its schema is of interest")]
    id: u32,
}

async fn open_body(_: Body<Open>) -> NoContent {
    NoContent
}

async fn open_query(_: Query<Open>) -> NoContent {
    NoContent
}

/// Read and written differently.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TwoFaced {
    #[serde(default)]
    id: u32,
}

async fn two_faced(Body(value): Body<TwoFaced>) -> Json<TwoFaced> {
    Json(value)
}

#[derive(Serialize, JsonSchema)]
struct Problem {
    mine: u32,
}

async fn own_problem() -> Json<Problem> {
    Json(Problem { mine: 1 })
}

fn build(routes: Routes<()>) -> Result<Edge, String> {
    let parts = parts(&Arc::<Lines>::default(), &Arc::<Quotas>::default());
    let built = EdgeBuilder::default().mount(routes).build(options(), parts);
    built.map_err(|mistakes| mistakes.to_string())
}

#[test]
fn every_contradiction_has_its_sentence() {
    let empty = || Routes::new("m", ());
    for (routes, sentence) in [
        (
            empty().add(get("/a", signed_in).public()),
            "m: GET /a: the handler takes `SignedIn`, so say `.allow(…)` instead of `.public()`",
        ),
        (
            empty().add(get("/a/{name}", by_id).public()),
            r#"m: GET /a/{name}: the path names ["name"], and the handler takes ["id"] by `Path`"#,
        ),
        (empty().add(get("/a", by_id).public()), "the path names [], and the handler takes"),
        (empty().add(get("/a/{id}", nothing).public()), "the handler takes [] by `Path`"),
        (
            empty().add(get("/a", nothing).public()).add(get("/a", nothing_else).public()),
            "GET /a is there twice",
        ),
        (
            empty().add(get("/a/{id}", by_id).public()).add(post("/a/{name}", nothing).public()),
            "conflict",
        ),
        (
            empty().add(get("/a", nothing).public()).add(get("/b", nothing).public()),
            "GET /a and GET /b are both called `m.nothing`: give each a handler with a name",
        ),
        (
            empty().add(get("/a", with_body).public()),
            "m: GET /a: a GET has no body: take the input as `Query`",
        ),
        (
            empty().add(post("/a", open_body).public()),
            "takes unknown fields; put `#[serde(deny_unknown_fields)]` on the type",
        ),
        (
            empty().add(get("/a", open_query).public()),
            "takes unknown fields; put `#[serde(deny_unknown_fields)]` on the type",
        ),
        (
            empty().add(post("/a", two_faced).public()),
            "the schema `TwoFaced` would mean two things",
        ),
        (
            empty().add(get("/a", own_problem).public()),
            "the schema `Problem` is the edge's own: rename the type",
        ),
    ] {
        let mistakes = build(routes).expect_err(sentence);
        assert!(mistakes.contains(sentence), "{sentence:?} is not in {mistakes}");
    }
}

#[test]
fn what_is_said_of_limits_is_held_against_the_rest() {
    let empty = || Routes::new("m", ());
    let limited = |limit| empty().add(get("/a", nothing).public().limit(limit));
    for (routes, sentence) in [
        (
            limited(Limit::per_principal(1, MINUTE)),
            "m: GET /a: a public endpoint has no principal: use `Limit::per_client`",
        ),
        (
            limited(Limit::per_client(0, MINUTE)),
            "m: GET /a: a limit needs a quota of at least 1 and a window of 1 s to 24 h",
        ),
        (limited(Limit::per_client(1, Duration::from_millis(999))), "a window of 1 s to 24 h"),
        (limited(Limit::per_client(1, MINUTE * 60 * 25)), "a window of 1 s to 24 h"),
        (
            limited(Limit::per_client(5, MINUTE).cost(6)),
            "m: GET /a: a request costs 6 of a quota of 5: it takes at least 1, and fits in",
        ),
        (limited(Limit::per_client(5, MINUTE).cost(0)), "a request costs 0 of a quota of 5"),
        (
            limited(Limit::per_credential(1, MINUTE)),
            "m: GET /a: a public endpoint has no credential: use `Limit::per_client`",
        ),
        (
            limited(Limit::per_header("x-tenant", 1, MINUTE)),
            "m: GET /a: whoever calls chooses the value of `x-tenant`, and with it a new window: \
             add a limit by client, `.limit(Limit::per_client(…))`",
        ),
        (
            limited(Limit::per_header("X-Tenant", 1, MINUTE)),
            "`X-Tenant` is not the name of a header in lower case",
        ),
        (
            empty().add((1..=5).fold(get("/a", nothing).public(), |endpoint, n| {
                endpoint.limit(Limit::per_client(n, MINUTE * n))
            })),
            "m: GET /a: a request is held against 4 limits at most, the one that counts clients \
             included",
        ),
        (
            empty().add(
                get("/a", nothing)
                    .public()
                    .limit(Limit::per_client(1, MINUTE))
                    .limit(Limit::per_client(2, MINUTE)),
            ),
            "m: GET /a: two limits count the same in the same window: keep the smaller",
        ),
    ] {
        let mistakes = build(routes).expect_err(sentence);
        assert!(mistakes.contains(sentence), "{sentence:?} is not in {mistakes}");
    }
}

#[test]
fn what_is_said_of_keeping_answers_is_held_against_the_rest() {
    let empty = || Routes::new("m", ());
    for (routes, sentence) in [
        (
            empty().add(get("/a", nothing).allow(Authenticated).cache(Cache::Public(MINUTE))),
            "m: GET /a: what only some callers may read cannot be kept for everybody: say \
             `Cache::Private` instead of `Cache::Public`",
        ),
        (
            empty().add(post("/a", nothing).public().cache(Cache::NoStore)),
            "m: POST /a: only the answer to a GET can be kept: leave out `.cache(…)`",
        ),
        (
            empty().add(get("/a", nothing).public().cache(Cache::Public(MINUTE / 61))),
            "m: GET /a: an answer is kept for whole seconds: say `Cache::NoStore` to keep none",
        ),
    ] {
        let mistakes = build(routes).expect_err(sentence);
        assert!(mistakes.contains(sentence), "{sentence:?} is not in {mistakes}");
    }
}

async fn signed_out() -> WithSession<NoContent> {
    WithSession::end(NoContent)
}

#[test]
fn what_is_said_of_being_done_once_is_held_against_the_rest() {
    let empty = || Routes::new("m", ());
    for (routes, sentence) in [
        (
            empty().add(get("/a", nothing).public().on_repeat(Repeat::ByKey)),
            "m: GET /a: a GET changes nothing: leave out `.on_repeat(Repeat::ByKey)`",
        ),
        (
            empty()
                .add(post("/a", nothing).public().without_deadline("why").on_repeat(Repeat::ByKey)),
            "m: POST /a: a request that is done once is claimed until its deadline: with \
             `Repeat::ByKey` say `.deadline(…)` instead of `.without_deadline(…)`",
        ),
        (
            empty().add(post("/a", signed_out).public().on_repeat(Repeat::ByKey)),
            "m: POST /a: the answer holds a credential, and `Repeat::ByKey` keeps answers: say \
             `Repeat::Again(\"why\")` or `Repeat::NoEffect(\"why\")`",
        ),
        (
            empty().add(post("/a", nothing).public().on_repeat(Repeat::ByKey)),
            "m: POST /a: nobody keeps answers here: set `EdgeParts::idempotency`",
        ),
    ] {
        let mistakes = build(routes).expect_err(sentence);
        assert!(mistakes.contains(sentence), "{sentence:?} is not in {mistakes}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let routes = Routes::new("m", ())
        .add(get("/a", signed_in).public())
        .add(get("/b", with_body).allow(Authenticated))
        .add(post("/c", open_body).public());
    let mistakes = build(routes).expect_err("three mistakes");
    assert_eq!(mistakes.matches("\n  - ").count(), 3, "{mistakes}");
}

#[test]
fn a_handler_may_serve_several_paths_in_modules_of_their_own() {
    let parts = parts(&Arc::<Lines>::default(), &Arc::<Quotas>::default());
    let edge = EdgeBuilder::default()
        .mount(Routes::new("a", ()).add(get("/a", nothing).public()))
        .mount(Routes::new("b", ()).add(get("/b", nothing).public()))
        .build(options(), parts);
    assert!(edge.is_ok());
}
