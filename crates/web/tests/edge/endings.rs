//! How long a request may take, and what becomes of its handler when it takes longer.

use std::{sync::atomic::Ordering, time::Duration};

use axum::body::Body;
use futures_util::{StreamExt, stream};
use mainstay_web::EdgeOptions;
use tokio::time::Instant;

use crate::{
    harness::{Bench, PEER, bench, bench_with, get, options, post},
    service::SLOW_DEADLINE,
};

/// Timers count in milliseconds, rounded up.
const TICK: Duration = Duration::from_millis(2);

async fn takes(bench: &Bench, expected: Duration, work: impl Future<Output = ()>) {
    let dropped = bench.probe.dropped.load(Ordering::Relaxed);
    let start = Instant::now();
    work.await;
    let took = start.elapsed();
    assert!((expected..expected + TICK).contains(&took), "{took:?}, not {expected:?}");
    let dropped = bench.probe.dropped.load(Ordering::Relaxed) - dropped;
    assert_eq!(dropped, 1, "the handler is dropped when its time is up");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_routes_unless_the_caller_has_less_time() {
    let bench = bench();
    for (asked, expected) in [
        (None, SLOW_DEADLINE),
        (Some("0.01"), Duration::from_millis(10)),
        (Some("0"), Duration::ZERO),
        (Some("60"), SLOW_DEADLINE),
        (Some("-1"), SLOW_DEADLINE),
        (Some("inf"), SLOW_DEADLINE),
        (Some("NaN"), SLOW_DEADLINE),
        (Some("1e300"), SLOW_DEADLINE),
        (Some("soon"), SLOW_DEADLINE),
    ] {
        let request = asked
            .into_iter()
            .fold(get("/slow"), |request, seconds| request.header("request-timeout", seconds));
        takes(&bench, expected, async {
            let answer = bench.send(request).await;
            assert_eq!(answer.code().as_deref(), Some("DEADLINE_EXCEEDED"), "{asked:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_give_an_endpoint_a_deadline_that_has_none() {
    let bench = bench();
    takes(&bench, Duration::from_secs(3), async {
        let answer = bench.send(get("/endless").header("request-timeout", "3")).await;
        assert_eq!(answer.code().as_deref(), Some("DEADLINE_EXCEEDED"));
    })
    .await;
}

#[tokio::test]
async fn who_answers_at_once_needs_no_time() {
    let answer = bench().send(get("/hello").header("request-timeout", "0")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_handler_along_and_is_recorded_once() {
    let bench = bench();
    let request = get("/endless").body(Body::empty()).expect("a request");
    {
        let handling = bench.edge.handle(request, &PEER);
        tokio::select! {
            biased;
            _ = handling => panic!("it is endless"),
            _ = bench.probe.begun.acquire() => {}
        }
    }
    assert_eq!(bench.probe.dropped.load(Ordering::Relaxed), 1);
    let line = bench.log.only();
    assert_eq!((line.status, line.route.as_str(), line.code), (499, "/endless", None));
}

/// Half of a body, and nothing more.
fn half() -> Body {
    let first = stream::iter([Ok::<_, std::io::Error>("{\"text\":")]);
    Body::from_stream(first.chain(stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_its_senders_fault_also_at_the_deadline() {
    let [two, ten, twenty] = [2, 10, 20].map(Duration::from_secs);
    for (body_timeout, deadline, asked, expected) in [
        (two, ten, None, two),
        (ten, ten, None, ten),
        (twenty, ten, None, ten),
        (ten, ten, Some("2"), two),
    ] {
        let bench = bench_with(EdgeOptions { body_timeout, deadline, ..options() });
        let request = asked
            .into_iter()
            .fold(post("/upload"), |request, seconds| request.header("request-timeout", seconds));
        let start = Instant::now();
        let answer = bench.send_json(request, half()).await;
        assert_eq!(answer.code().as_deref(), Some("REQUEST_TIMEOUT"));
        assert_eq!(answer.header("connection"), Some("close"));
        let took = start.elapsed();
        assert!((expected..expected + TICK).contains(&took), "{took:?}, not {expected:?}");
    }
}
