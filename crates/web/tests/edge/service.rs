//! The service behind the edge: one endpoint for each thing a test wants to happen.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use mainstay_core::{Code, Fault, FaultSet, Kind, Precondition};
use mainstay_web::{
    Authenticated, Body, Created, Headers, IfMatch, Json, Limit, NoContent, Page, Path, Query,
    RequireIfMatch, Routes, SelfOr, SignedIn, Tagged, Use, codes, current,
    endpoint::{Operation, Respond, ResponseSpec},
    get, post, put,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, time::Instant};
use uuid::Uuid;

use crate::parts::{ADMIN, READ};

const MINUTE: Duration = Duration::from_mins(1);

/// The deadline of `/slow`.
pub(crate) const SLOW_DEADLINE: Duration = Duration::from_millis(50);

/// What `/upload` takes at most.
pub(crate) const UPLOAD_BYTES_MAX: usize = 64;

/// What handlers tell their test.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Told>);

pub(crate) struct Told {
    /// How many handlers have begun,
    pub(crate) begun: Semaphore,
    /// and how many of them have been dropped before they ended.
    pub(crate) dropped: AtomicU32,
    /// How often a thing was looked for.
    pub(crate) lookups: AtomicU32,
}

impl Default for Told {
    fn default() -> Self {
        Self { begun: Semaphore::new(0), dropped: AtomicU32::new(0), lookups: AtomicU32::new(0) }
    }
}

impl std::ops::Deref for Probe {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

pub(crate) fn routes(probe: Probe) -> Routes<Probe> {
    const WHY: &str = "it is a test";
    Routes::new("things", probe)
        .add(get("/hello", hello).public().unlimited(WHY).summary("Says hello"))
        .add(post("/hello", say).public().unlimited(WHY))
        .add(get("/context", context).allow(Authenticated).scope(READ))
        .add(get("/things/{id}", find).allow(SelfOr(ADMIN)))
        .add(put("/things/{id}", replace).allow(Authenticated))
        .add(put("/known/{id}", replace_known).allow(Authenticated))
        .add(post("/things", create).public())
        .add(get("/things", list).allow(ADMIN))
        .add(get("/search", search).public())
        .add(get("/answer/{code}", answer).public())
        .add(get("/undeclared", undeclared).public())
        .add(get("/bare", bare).public())
        .add(get("/panic/literal", panic_literally).public())
        .add(get("/panic/formatted", panic_with_data).public())
        .add(get("/slow", slow).public().deadline(SLOW_DEADLINE))
        .add(get("/endless", endless).public().without_deadline(WHY))
        .add(post("/upload", upload).public().body_bytes_max(UPLOAD_BYTES_MAX))
        .add(get("/me", me).allow(Authenticated).limit(Limit::per_principal(2, MINUTE)))
        .add(get("/limited", limited).public().limit(Limit::per_client(2, MINUTE)))
        .add(get("/later", later).public().limit(Limit::per_client(1, MINUTE)))
        .add(post("/strict", strict).allow(ADMIN).limit(Limit::per_client(1, MINUTE)))
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    #[schemars(length(min = 1, max = 20))]
    text: String,
}

async fn hello() -> Json<Greeting> {
    Json(Greeting { text: "hello".to_owned() })
}

/// Takes no body, whatever is sent.
async fn say() -> NoContent {
    NoContent
}

/// What a handler, or a log event in it, can know without being told.
async fn context() -> Json<Vec<String>> {
    let told = current(|context| {
        let caller = context.caller().map(|caller| caller.subject.to_string());
        let left = context.deadline().duration_since(Instant::now()).as_secs().to_string();
        let known = [context.id().to_string(), context.client().to_string(), left];
        known.into_iter().chain(caller).collect()
    });
    Json(told.unwrap_or_default())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThingId {
    id: Uuid,
}

#[derive(Serialize, JsonSchema)]
struct Thing {
    id: Uuid,
    name: String,
}

/// The version of every thing.
const VERSION: i64 = 7;

async fn find(probe: Use<Probe>, Path(ThingId { id }): Path<ThingId>) -> Tagged<Json<Thing>> {
    probe.lookups.fetch_add(1, Ordering::Relaxed);
    Tagged::new(VERSION, Json(Thing { id, name: "thing".to_owned() }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewThing {
    #[schemars(length(min = 1, max = 20))]
    name: String,
    #[schemars(email)]
    owner: String,
    #[schemars(range(min = 1))]
    size: Option<u32>,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Part {
    #[schemars(range(max = 9))]
    weight: u32,
}

async fn create(Body(new): Body<NewThing>) -> Created<Thing> {
    let weight: u32 = new.parts.iter().map(|part| part.weight).sum();
    let name = format!("{} of {}, {:?}, {weight}", new.name, new.owner, new.size);
    Created::at(format!("/things/{}", Uuid::nil()), Thing { id: Uuid::nil(), name })
}

async fn replace(
    Path(ThingId { id }): Path<ThingId>,
    IfMatch(condition): IfMatch,
    Body(greeting): Body<Greeting>,
) -> Result<Tagged<Json<Thing>>, Answered> {
    if !condition.permits(VERSION) {
        return Err(Answered(codes::PRECONDITION_FAILED));
    }
    let name = match condition {
        Precondition::Absent => greeting.text,
        Precondition::Exists => "any".to_owned(),
        Precondition::OneOf(versions) => format!("{versions:?}"),
    };
    Ok(Tagged::new(VERSION, Json(Thing { id, name })))
}

/// Replaces only what its caller has seen.
async fn replace_known(
    Path(ThingId { id }): Path<ThingId>,
    RequireIfMatch(condition): RequireIfMatch,
    Body(greeting): Body<Greeting>,
) -> Result<Json<Thing>, Answered> {
    assert_ne!(condition, Precondition::Absent);
    let permitted = condition.permits(VERSION);
    let thing = Thing { id, name: greeting.text };
    permitted.then_some(Json(thing)).ok_or(Answered(codes::PRECONDITION_FAILED))
}

async fn list() -> Page<Thing> {
    Page { items: Vec::new(), next_cursor: None }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Newest,
    Oldest,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    #[schemars(length(min = 1, max = 10))]
    word: String,
    #[schemars(range(min = 1, max = 100))]
    page: Option<u32>,
    order: Option<Order>,
    #[serde(default)]
    tag: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Client {
    #[schemars(range(min = 2))]
    client_version: Option<u32>,
}

async fn search(Headers(client): Headers<Client>, Query(asked): Query<Search>) -> Json<String> {
    let Search { word, page, order, tag } = asked;
    Json(format!("{word} {page:?} {order:?} {tag:?} {:?}", client.client_version))
}

/// Any code of the edge, as asked.
#[derive(Debug, thiserror::Error)]
#[error("it was asked for")]
struct Answered(Code);

impl Fault for Answered {
    fn code(&self) -> Code {
        self.0
    }

    fn detail(&self) -> Cow<'static, str> {
        "as you wished".into()
    }
}

impl FaultSet for Answered {
    fn declare(codes: &mut Vec<Code>) {
        codes.extend_from_slice(codes::ALL);
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeName {
    code: String,
}

async fn answer(Path(CodeName { code }): Path<CodeName>) -> Result<NoContent, Answered> {
    let code = codes::ALL.iter().find(|known| known.name == code);
    code.map_or(Ok(NoContent), |code| Err(Answered(*code)))
}

/// Not in the closed set of the endpoint that answers it.
const SURPRISE: Code = Code::new("SURPRISE", Kind::Conflict, "Nobody has declared this");

#[derive(Debug, thiserror::Error)]
#[error("a surprise")]
struct Surprise;

impl Fault for Surprise {
    fn code(&self) -> Code {
        SURPRISE
    }

    fn detail(&self) -> Cow<'static, str> {
        "surprise".into()
    }
}

impl FaultSet for Surprise {
    fn declare(_: &mut Vec<Code>) {}
}

async fn undeclared() -> Result<NoContent, Surprise> {
    Err(Surprise)
}

/// A refusal in a shape of its own.
struct Bare;

impl Respond for Bare {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "Never",
            body: None,
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        (StatusCode::NOT_FOUND, "nothing here").into_response()
    }
}

async fn bare() -> Bare {
    Bare
}

async fn panic_literally() -> NoContent {
    panic!("a fixed text")
}

/// What must never get out.
pub(crate) const PERSONAL: &str = "ada@example.com";

async fn panic_with_data() -> NoContent {
    let person = PERSONAL.to_owned();
    panic!("no such person: {person}")
}

/// Tells when it is dropped early.
struct Guard(Probe);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

async fn wait_for_ever(probe: Probe) -> NoContent {
    let _guard = Guard(probe.clone());
    probe.begun.add_permits(1);
    std::future::pending().await
}

async fn slow(Use(probe): Use<Probe>) -> NoContent {
    wait_for_ever(probe).await
}

async fn endless(Use(probe): Use<Probe>) -> NoContent {
    wait_for_ever(probe).await
}

async fn upload(Body(greeting): Body<Greeting>) -> Json<usize> {
    Json(greeting.text.len())
}

async fn me(SignedIn(caller): SignedIn) -> Json<Uuid> {
    Json(caller.subject.0)
}

async fn limited() -> NoContent {
    NoContent
}

async fn later() -> NoContent {
    NoContent
}

async fn strict(_: Body<Greeting>) -> NoContent {
    NoContent
}
