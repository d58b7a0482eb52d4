//! Endpoints with more than one limit: what is decided together, what is told, and for whom a
//! request counts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::request::Builder;
use mainstay_core::OutageMode;
use mainstay_web::{
    Authenticated, Edge, EdgeBuilder, EdgeOptions, Limit, NoContent, Routes, Use, get, post,
    server::Peer,
};

use crate::{
    answer::Answer,
    harness::{self as request, PEER, by, options, parts, peer},
    parts::{Lines, Quotas},
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// How many requests have reached a handler.
type Served = Arc<AtomicU32>;

fn serve(served: &Served) -> NoContent {
    served.fetch_add(1, Ordering::Relaxed);
    NoContent
}

async fn both(served: Use<Served>) -> NoContent {
    serve(&served)
}

async fn dear(served: Use<Served>) -> NoContent {
    serve(&served)
}

async fn tenant(served: Use<Served>) -> NoContent {
    serve(&served)
}

async fn keyed(served: Use<Served>) -> NoContent {
    serve(&served)
}

async fn closed(served: Use<Served>) -> NoContent {
    serve(&served)
}

struct Scene {
    edge: Edge,
    quotas: Arc<Quotas>,
    served: Served,
}

impl Scene {
    fn new() -> Self {
        let served = Served::default();
        let routes = Routes::new("m", Arc::clone(&served))
            .add(
                get("/both", both)
                    .public()
                    .limit(Limit::per_client(2, MINUTE))
                    .limit(Limit::per_client(3, DAY)),
            )
            .add(get("/dear", dear).public().limit(Limit::per_client(7, MINUTE).cost(3)))
            .add(
                get("/tenant", tenant)
                    .public()
                    .limit(Limit::per_header("x-tenant", 2, MINUTE))
                    .limit(Limit::per_client(100, MINUTE)),
            )
            .add(
                get("/keyed", keyed)
                    .allow(Authenticated)
                    .limit(Limit::per_principal(3, MINUTE))
                    .limit(Limit::per_credential(2, MINUTE))
                    .limit(Limit::per_client(9, MINUTE)),
            )
            .add(
                post("/closed", closed)
                    .public()
                    .limit(Limit::per_client(2, MINUTE).on_outage(OutageMode::Closed)),
            );
        let quotas = Arc::<Quotas>::default();
        let parts = parts(&Arc::<Lines>::default(), &quotas);
        let options = EdgeOptions { limit_quota: 50, ..options() };
        let edge = EdgeBuilder::default().mount(routes).build(options, parts);
        Self { edge: edge.expect("no contradiction"), quotas, served }
    }

    async fn send_from(&self, peer: &Peer, request: Builder) -> Answer {
        let request = request.body(Body::empty()).expect("a request");
        Answer::read(self.edge.handle(request, peer).await).await
    }

    async fn send(&self, request: Builder) -> Answer {
        self.send_from(&PEER, request).await
    }

    fn served(&self) -> u32 {
        self.served.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn every_limit_is_told_and_a_refusal_charges_none() {
    let scene = Scene::new();
    for (status, state) in [
        (204, "\"m.both\";r=1, \"m.both.client-24h\";r=2"),
        (204, "\"m.both\";r=0;t=30, \"m.both.client-24h\";r=1"),
        (429, "\"m.both\";r=0;t=30, \"m.both.client-24h\";r=1"),
        (429, "\"m.both\";r=0;t=30, \"m.both.client-24h\";r=1"),
    ] {
        let answer = scene.send(request::get("/both")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("ratelimit"), Some(state));
        let policies = "\"m.both\";q=2;w=60, \"m.both.client-24h\";q=3;w=86400";
        assert_eq!(answer.header("ratelimit-policy"), Some(policies));
    }
    assert_eq!(scene.quotas.charged("m.both.client-24h"), 2);
    assert_eq!(scene.served(), 2, "a refused request reaches no handler");
}

#[tokio::test]
async fn a_request_takes_what_it_costs() {
    let scene = Scene::new();
    for (status, state) in
        [(204, "\"m.dear\";r=4"), (204, "\"m.dear\";r=1"), (429, "\"m.dear\";r=1")]
    {
        let answer = scene.send(request::get("/dear")).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (status, Some(state)));
    }
    assert_eq!((scene.quotas.charged("m.dear"), scene.served()), (6, 2));
}

#[tokio::test]
async fn a_header_is_counted_by_value_and_without_it_the_client() {
    let scene = Scene::new();
    let of = |tenant: &'static str| request::get("/tenant").header("x-tenant", tenant);
    let other = peer([192, 0, 2, 8]);
    assert_eq!(scene.send(of("one")).await.status, 204);
    assert_eq!(scene.send_from(&other, of("one")).await.status, 204);
    assert_eq!(scene.send(of("one")).await.status, 429, "whoever sends it");
    assert_eq!(scene.send(of("two")).await.status, 204);
    let two = of("one").header("x-tenant", "two");
    assert_eq!(scene.send(two).await.status, 204, "two values are another value");
    for status in [204, 204, 429] {
        assert_eq!(scene.send(request::get("/tenant")).await.status, status);
    }
    assert_eq!(scene.send_from(&other, request::get("/tenant")).await.status, 204);
    assert_eq!(scene.quotas.keys("m.tenant"), 5);
}

#[tokio::test]
async fn what_counts_the_caller_is_told_beside_what_counted_the_client() {
    let scene = Scene::new();
    assert_eq!(
        scene.send(request::get("/keyed")).await.header("ratelimit"),
        Some("\"m.keyed.client-1min\";r=8")
    );
    for (caller, status, state) in [
        ("alice", 204, "r=7, \"m.keyed\";r=2, \"m.keyed.credential-1min\";r=1"),
        ("alice", 204, "r=6, \"m.keyed\";r=1, \"m.keyed.credential-1min\";r=0;t=30"),
        ("alice", 429, "r=5, \"m.keyed\";r=1, \"m.keyed.credential-1min\";r=0;t=30"),
    ] {
        let answer = scene.send(by(caller, request::get("/keyed"))).await;
        assert_eq!(answer.status, status);
        let state = format!("\"m.keyed.client-1min\";{state}");
        assert_eq!(answer.header("ratelimit"), Some(state.as_str()));
    }
    assert_eq!((scene.quotas.charged("m.keyed"), scene.served()), (2, 2));
}

#[tokio::test]
async fn a_closed_limit_refuses_when_nobody_can_count_and_the_rest_goes_on() {
    let scene = Scene::new();
    scene.quotas.blind.store(true, Ordering::Relaxed);
    let answer = scene.send(request::post("/closed")).await;
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("OVERLOADED")));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(scene.served(), 0);
    assert_eq!(scene.send(request::get("/both")).await.status, 204);
    scene.quotas.blind.store(false, Ordering::Relaxed);
    assert_eq!(scene.send(request::post("/closed")).await.status, 204);
}

#[tokio::test]
async fn the_wait_is_the_longest_of_those_that_refuse() {
    let scene = Scene::new();
    scene.send(request::get("/both")).await;
    scene.send(request::get("/both")).await;
    let answer = scene.send(request::get("/both")).await;
    assert_eq!(answer.header("retry-after"), Some("30"), "the day has room");
}
