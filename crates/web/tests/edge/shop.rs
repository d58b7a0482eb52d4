//! A shop whose orders can be made once: an order at `/orders/{end}` sells a thing and then ends as
//! its path says.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{Method, request::Builder};
use mainstay_core::{Code, Fault, FaultSet, Kind};
use mainstay_web::{
    Authenticated, Body, Created, Edge, EdgeBuilder, EdgeOptions, EdgeParts, Path, Repeat, Routes,
    Use, codes, patch, post,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::yield_now};

use crate::{
    answer::Answer,
    harness::{PEER, by, parts, request},
    memory::Memory,
    parts::{Line, Lines, Quotas},
};

/// The edge around a shop, and what is behind it.
pub(crate) struct Bench {
    pub(crate) edge: Arc<Edge>,
    pub(crate) memory: Memory,
    /// Lets an order go on that waits for it.
    pub(crate) go: Arc<Semaphore>,
    pub(crate) log: Arc<Lines>,
}

#[derive(Clone)]
struct Shop {
    memory: Memory,
    go: Arc<Semaphore>,
}

/// No deadline strikes by accident.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) fn bench(memory: Memory, options: EdgeOptions) -> Bench {
    let (log, quotas) = (Arc::<Lines>::default(), Arc::<Quotas>::default());
    let go = Arc::new(Semaphore::new(0));
    let shop = Shop { memory: memory.clone(), go: go.clone() };
    let routes = Routes::new("shop", shop)
        .add(post("/orders/{end}", order).public().deadline(DEADLINE).on_repeat(Repeat::ByKey))
        .add(patch("/orders/{end}", change).public().on_repeat(Repeat::ByKey))
        .add(post("/own/{end}", own).allow(Authenticated).on_repeat(Repeat::ByKey))
        .add(post("/bare", bare).public().on_repeat(Repeat::ByKey));
    let store = Some(Arc::new(memory.clone()) as Arc<_>);
    let parts = EdgeParts { idempotency: store, ..parts(&log, &quotas) };
    let edge =
        EdgeBuilder::default().mount(routes).build(options, parts).expect("no contradiction");
    Bench { edge: Arc::new(edge), memory, go, log }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    #[schemars(length(min = 1, max = 20))]
    thing: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct End {
    #[schemars(length(max = 20))]
    end: String,
}

/// As much as fits is kept, and this does not.
const TOO_MUCH: usize = (256 << 10) + 1;

#[derive(Serialize, JsonSchema)]
struct Receipt {
    number: u64,
    text: String,
}

pub(crate) const SOLD_OUT: Code =
    Code::new("SOLD_OUT", Kind::Conflict, "Somebody had the last one");
const COME_AGAIN: Code = Code::new("COME_AGAIN", Kind::Conflict, "The shop opens at nine");
const QUEUE: Code = Code::new("QUEUE", Kind::RateLimited, "There is a queue");
const SURPRISE: Code = Code::new("SURPRISE", Kind::Conflict, "Nobody has declared this");

#[derive(Debug, thiserror::Error)]
#[error("no deal")]
struct Refused(Code);

impl Fault for Refused {
    fn code(&self) -> Code {
        self.0
    }

    fn detail(&self) -> Cow<'static, str> {
        "no deal".into()
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.0 == COME_AGAIN).then_some(DEADLINE)
    }
}

impl FaultSet for Refused {
    fn declare(codes: &mut Vec<Code>) {
        codes.extend([SOLD_OUT, COME_AGAIN, QUEUE, codes::FORBIDDEN, codes::OVERLOADED]);
    }
}

/// Differs between any two orders, so that an answer cannot be the same by accident.
fn number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

async fn order(
    shop: Use<Shop>,
    Path(End { end }): Path<End>,
    Body(Order { thing }): Body<Order>,
) -> Result<Created<Receipt>, Refused> {
    shop.memory.sell(&thing);
    yield_now().await;
    let mut text = thing;
    match end.as_str() {
        "sold-out" => return Err(Refused(SOLD_OUT)),
        "come-again" => return Err(Refused(COME_AGAIN)),
        "queue" => return Err(Refused(QUEUE)),
        "forbidden" => return Err(Refused(codes::FORBIDDEN)),
        "overloaded" => return Err(Refused(codes::OVERLOADED)),
        "surprise" => return Err(Refused(SURPRISE)),
        "panic" => panic!("on purpose"),
        "much" => text = "x".repeat(TOO_MUCH),
        "wait" => drop(shop.go.acquire().await.expect("is open")),
        _ => {}
    }
    let number = number();
    Ok(Created::at(format!("/orders/{number}"), Receipt { number, text }))
}

async fn change(
    shop: Use<Shop>,
    path: Path<End>,
    body: Body<Order>,
) -> Result<Created<Receipt>, Refused> {
    order(shop, path, body).await
}

async fn own(
    shop: Use<Shop>,
    path: Path<End>,
    body: Body<Order>,
) -> Result<Created<Receipt>, Refused> {
    order(shop, path, body).await
}

/// Takes no body.
async fn bare(shop: Use<Shop>) -> Created<Receipt> {
    shop.memory.sell("air");
    Created::at("/orders/air".to_owned(), Receipt { number: number(), text: "air".to_owned() })
}

/// An order of a thing.
pub(crate) fn body(thing: &str) -> String {
    format!(r#"{{"thing":"{thing}"}}"#)
}

/// The head of an order that ends in some way, with a key.
pub(crate) fn keyed(end: &str, key: &str) -> Builder {
    request(Method::POST, &format!("/orders/{end}")).header("idempotency-key", key)
}

/// The same of somebody's own.
pub(crate) fn keyed_by(credential: &str, end: &str, key: &str) -> Builder {
    by(credential, request(Method::POST, &format!("/own/{end}"))).header("idempotency-key", key)
}

impl Bench {
    pub(crate) async fn send(&self, request: Builder, body: impl Into<axum::body::Body>) -> Answer {
        let request = request.header("content-type", "application/json");
        let request = request.body(body.into()).expect("a request");
        Answer::read(self.edge.handle(request, &PEER).await).await
    }

    /// Orders a thing under a key.
    pub(crate) async fn order(&self, end: &str, key: &str, thing: &str) -> Answer {
        self.send(keyed(end, key), body(thing)).await
    }

    /// The only line since the last look.
    pub(crate) fn line(&self) -> Line {
        self.log.only()
    }
}

pub(crate) fn is_replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

/// What a repetition has to get.
pub(crate) fn kept(answer: &Answer) -> (u16, Option<String>, Option<String>, Vec<u8>) {
    let header = |name| answer.header(name).map(str::to_owned);
    (answer.status, header("location"), header("content-type"), answer.body.to_vec())
}
