//! Every way in which a request can end, also those that a good service does not show.

use std::{future, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing,
};
use mainstay_core::{Clock, SystemClock};
use mainstay_store::LocalLimiter;
use mainstay_web::{
    EdgeBuilder, EdgeOptions, EdgeParts, Json, Routes, get,
    server::{Peer, Protocol},
};

use super::*;
use crate::metrics::Format;

async fn fine() -> Json<u32> {
    Json(1)
}

async fn broken() -> Json<u32> {
    panic!("a defect")
}

async fn endless() -> Json<u32> {
    future::pending().await
}

struct Bench {
    edge: Arc<Edge>,
    requests: Requests,
}

fn bench() -> Bench {
    let raw = Router::new()
        .route("/raw/{*rest}", routing::any(async || StatusCode::IM_A_TEAPOT))
        .route("/raw", routing::any(async || StatusCode::OK));
    let routes = Routes::new("shop", ())
        .add(get("/fine", fine).public())
        .add(get("/broken", broken).public())
        .add(get("/endless", endless).public().without_deadline("it is endless"));
    let meter = Arc::new(Meter::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let parts = EdgeParts {
        limiter: Arc::new(LocalLimiter::new(clock.clone())),
        authenticator: None,
        idempotency: None,
        log: meter.clone(),
        clock,
    };
    let edge = EdgeBuilder::default().mount(routes).mount_raw("/raw", raw, "it is another's");
    let edge = Arc::new(edge.build(EdgeOptions::default(), parts).expect("no contradiction"));
    meter.prepare(&edge);
    Bench { requests: Requests { meter, edge: edge.clone() }, edge }
}

impl Bench {
    async fn send(&self, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.body(Body::empty()).expect("a request");
        let address = SocketAddr::from(([192, 0, 2, 7], 4711));
        let peer = Peer { address, protocol: Protocol::Http1 };
        self.edge.handle(request, &peer).await.status().as_u16()
    }

    fn page(&self) -> String {
        let mut page = Page::new(Format::Text, 0);
        self.requests.collect(&mut page);
        page.finish()
    }

    /// The series of requests that are not 0, without the name.
    fn counted(&self) -> Vec<String> {
        let page = self.page();
        let lines = page.lines().filter_map(|line| line.strip_prefix("mainstay_requests_total"));
        lines.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_panic_is_counted_as_the_defect_it_is() {
    let bench = bench();
    assert_eq!(bench.send("GET", "/broken").await, 500);
    let expected = r#"{route="/broken",method="GET",status="500",code="INTERNAL"} 1"#;
    assert_eq!(bench.counted(), [expected]);
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_and_no_longer_in_flight() {
    let bench = bench();
    let mut sent = Box::pin(bench.send("GET", "/endless"));
    let waited = tokio::time::timeout(Duration::from_millis(1), sent.as_mut()).await;
    waited.expect_err("it is endless");
    assert!(bench.page().contains("\nmainstay_requests_in_flight 1\n"));
    assert!(bench.counted().is_empty());
    drop(sent);
    assert!(bench.page().contains("\nmainstay_requests_in_flight 0\n"));
    assert_eq!(bench.counted(), [r#"{route="/endless",method="GET",status="499"} 1"#]);
}

#[tokio::test]
async fn a_router_that_speaks_for_itself_makes_no_series_of_its_own() {
    let bench = bench();
    let before = bench.page().lines().count();
    for (method, path) in [("GET", "/raw/a"), ("HEAD", "/raw/b"), ("BREW", "/raw/c")] {
        assert_eq!(bench.send(method, path).await, 418);
    }
    assert_eq!(bench.send("PUT", "/raw").await, 200);
    let expected = [
        r#"{route="/raw",method="*",status="200"} 1"#,
        r#"{route="/raw/{*rest}",method="*",status="other"} 3"#,
    ];
    assert_eq!(bench.counted(), expected);
    assert_eq!(bench.page().lines().count(), before + 1, "what nobody expects has one line");
}

#[tokio::test]
async fn an_end_is_there_at_zero_before_it_comes() {
    let bench = bench();
    let page = bench.page();
    for line in [
        r#"mainstay_requests_total{route="/fine",method="GET",status="200"} 0"#,
        r#"mainstay_requests_total{route="/broken",method="GET",status="500",code="INTERNAL"} 0"#,
        r#"mainstay_request_duration_seconds_count{route="/broken",method="GET"} 0"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("route=\"-\""), "what matches no route has a place, and no line yet");
}

#[tokio::test]
async fn requests_from_many_threads_are_all_counted() {
    let bench = bench();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    for number in 0..100 {
                        bench.send("GET", &format!("/nowhere/{number}")).await;
                    }
                });
            });
        }
    });
    let expected = r#"{route="-",method="GET",status="404",code="ROUTE_NOT_FOUND"} 400"#;
    assert_eq!(bench.counted(), [expected]);
}
