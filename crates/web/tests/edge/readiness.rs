//! What probes are told.

use std::{sync::Arc, time::Duration};

use mainstay_core::HealthCheck;
use mainstay_web::ops::Readiness;
use tokio::time::Instant;

use crate::{
    harness::{Bench, bench_of, get, options},
    parts::Check,
};

impl From<Check> for Arc<dyn HealthCheck> {
    fn from(check: Check) -> Self {
        Arc::new(check)
    }
}

fn bench(checks: impl IntoIterator<Item = Check>) -> Bench {
    bench_of(options(), Readiness::new(checks.into_iter().map(Into::into).collect()))
}

#[tokio::test(start_paused = true)]
async fn the_first_dependency_that_is_not_ready_is_named_and_nothing_else() {
    for (checks, expected) in [
        (vec![], None),
        (vec![Check::Ready], None),
        (vec![Check::Ready, Check::Unready, Check::Silent], Some("database")),
        (vec![Check::Silent, Check::Unready], Some("redis")),
    ] {
        let bench = bench(checks);
        let answer = bench.send(get("/readyz")).await;
        let Some(name) = expected else {
            assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
            continue;
        };
        assert_eq!((answer.status, answer.code().as_deref()), (503, Some("NOT_READY")));
        assert_eq!(answer.json()["detail"], name);
        assert!(!String::from_utf8_lossy(&answer.body).contains("10.1.2.3"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_does_not_answer_costs_a_probe_one_second() {
    let bench = bench([Check::Silent]);
    let start = Instant::now();
    assert_eq!(bench.send(get("/readyz")).await.status, 503);
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(start.elapsed() < Duration::from_millis(1010));
}

#[tokio::test]
async fn a_drain_ends_readiness_for_good_and_liveness_never() {
    let bench = bench([Check::Ready]);
    assert_eq!(bench.send(get("/readyz")).await.status, 200);
    bench.readiness.drain();
    for _ in 0..2 {
        let answer = bench.send(get("/readyz")).await;
        assert_eq!(answer.json()["detail"], "draining");
    }
    assert_eq!(bench.send(get("/livez")).await.status, 200);
}

#[tokio::test]
async fn a_broken_dependency_is_no_reason_to_restart() {
    let bench = bench([Check::Unready, Check::Silent]);
    assert_eq!(bench.send(get("/livez")).await.status, 200);
}
