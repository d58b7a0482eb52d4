//! What probes are told: from memory, and after a dependency has made up its mind.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mainstay_core::{Health, HealthCheck, HealthFuture};
use mainstay_web::ops::Readiness;
use tokio::time::{Instant, advance};

use crate::{
    harness::{Bench, bench_of, get, options},
    parts::{Check, FixedClock},
};

impl From<Check> for Arc<dyn HealthCheck> {
    fn from(check: Check) -> Self {
        Arc::new(check)
    }
}

fn readiness(checks: Vec<Arc<dyn HealthCheck>>) -> Readiness {
    Readiness::new(checks, Arc::new(FixedClock))
}

/// An edge whose dependencies have been asked once.
async fn asked_once(checks: Vec<Check>) -> Bench {
    let readiness = readiness(checks.into_iter().map(Into::into).collect());
    drop(readiness.watch().await);
    bench_of(options(), readiness)
}

/// How a dependency behaves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    Fails,
    Hangs,
    Panics,
    /// Works every other time.
    Flaps,
}

/// A dependency whose mood tests change, and which counts how often it is asked.
struct Moody {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Moody {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(mood), asked: AtomicUsize::new(0) })
    }

    fn turn(&self, mood: Mood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The handle that is given away.
struct Handle(Arc<Moody>);

impl HealthCheck for Handle {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn check(&self) -> HealthFuture<'_> {
        let times = self.0.asked.fetch_add(1, Ordering::Relaxed);
        let mood = *self.0.mood.lock().expect("not poisoned");
        Box::pin(async move {
            match mood {
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("the check is broken"),
                Mood::Fails => Health::Unready("connection refused".to_owned()),
                Mood::Flaps if times.is_multiple_of(2) => {
                    Health::Unready("now and then".to_owned())
                }
                Mood::Works | Mood::Flaps => Health::Ready,
            }
        })
    }
}

/// An edge over one dependency, watched as long as the guard lives.
async fn watched(mood: Mood) -> (Bench, Arc<Moody>, mainstay_web::ops::Watch) {
    let moody = Moody::new(mood);
    let readiness = readiness(vec![Arc::new(Handle(moody.clone()))]);
    let watch = readiness.watch().await;
    (bench_of(options(), readiness), moody, watch)
}

/// Lets the clock of the test run until the dependency has been asked so many times more, and has
/// had time to answer.
async fn asked_again(moody: &Moody, times: usize) {
    let goal = moody.asked() + times;
    while moody.asked() < goal {
        advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
    // As long as a check may take, and shorter than the shortest pause between two.
    tokio::time::sleep(Duration::from_millis(790)).await;
}

async fn ready(bench: &Bench) -> bool {
    bench.send(get("/readyz")).await.status == 200
}

#[tokio::test(start_paused = true)]
async fn the_first_dependency_that_is_not_ready_is_named_and_nothing_else() {
    for (checks, expected) in [
        (vec![], None),
        (vec![Check::Ready], None),
        (vec![Check::Ready, Check::Unready, Check::Silent], Some("database")),
        (vec![Check::Silent, Check::Unready], Some("redis")),
    ] {
        let bench = asked_once(checks).await;
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
async fn probes_are_answered_from_memory_and_cost_no_check() {
    let (bench, moody, _watch) = watched(Mood::Hangs).await;
    let (before, start) = (moody.asked(), Instant::now());
    for _ in 0..100 {
        assert!(!ready(&bench).await);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for a dependency that hangs");
    assert_eq!(moody.asked(), before);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_decides_alone() {
    let (bench, ..) = watched(Mood::Works).await;
    assert!(ready(&bench).await);
    for mood in [Mood::Fails, Mood::Hangs, Mood::Panics] {
        let (bench, ..) = watched(mood).await;
        assert!(!ready(&bench).await, "{mood:?}");
    }
    let unasked = bench_of(options(), readiness(vec![Check::Ready.into()]));
    assert!(!ready(&unasked).await, "before the first answer");
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_end_readiness_and_two_successes_bring_it_back() {
    for mood in [Mood::Fails, Mood::Panics, Mood::Hangs] {
        let (bench, moody, _watch) = watched(Mood::Works).await;
        moody.turn(mood);
        asked_again(&moody, 2).await;
        assert!(ready(&bench).await, "{mood:?}: two failures");
        asked_again(&moody, 2).await;
        assert!(!ready(&bench).await, "{mood:?}: at least three failures");
        moody.turn(Mood::Works);
        asked_again(&moody, 1).await;
        assert!(!ready(&bench).await, "{mood:?}: one success");
        asked_again(&moody, 2).await;
        assert!(ready(&bench).await, "{mood:?}: at least two successes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_flaps_changes_nothing() {
    let (bench, moody, _watch) = watched(Mood::Works).await;
    moody.turn(Mood::Flaps);
    for _ in 0..20 {
        asked_again(&moody, 1).await;
        assert!(ready(&bench).await);
    }
    moody.turn(Mood::Fails);
    asked_again(&moody, 5).await;
    moody.turn(Mood::Flaps);
    for _ in 0..20 {
        asked_again(&moody, 1).await;
        assert!(!ready(&bench).await);
    }
}

#[tokio::test(start_paused = true)]
async fn each_dependency_is_asked_about_once_a_second_and_not_in_step() {
    let moods = [Moody::new(Mood::Works), Moody::new(Mood::Hangs)];
    let checks = moods.iter().map(|moody| Arc::new(Handle(moody.clone())) as Arc<dyn HealthCheck>);
    let _watch = readiness(checks.collect()).watch().await;
    let before = moods.each_ref().map(|moody| moody.asked());
    tokio::time::sleep(Duration::from_mins(1)).await;
    let times = moods[0].asked() - before[0];
    assert!((50..=75).contains(&times), "{times} times in a minute");
    let times = moods[1].asked() - before[1];
    assert!((25..=36).contains(&times), "{times} times in a minute, of which half are waiting");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_any_more_when_the_watch_ends() {
    let (_, moody, watch) = watched(Mood::Works).await;
    drop(watch);
    let before = moody.asked();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(moody.asked(), before);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_more_is_told_about_each_dependency() {
    let bench = asked_once(vec![Check::Ready, Check::Unready, Check::Silent]).await;
    let answer = bench.send(get("/readyz?verbose")).await;
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("NOT_READY")));
    let at = "2026-01-31T12:00:00Z";
    let since = answer.json()["checks"][0]["since"].as_str().expect("a time").to_owned();
    assert!(since.parse::<mainstay_core::Timestamp>().is_ok(), "{since} is like {at}");
    let dependency = |name: &str, state: &str| {
        let known = [("name", name), ("state", state), ("since", since.as_str())];
        let mut told = serde_json::Value::from_iter(known);
        told["contradictions"] = 0.into();
        told
    };
    let failed = |name: &str, why: &str| {
        let mut told = dependency(name, "not_ready");
        told["last_error"] = serde_json::json!({ "at": since, "why": why });
        told
    };
    assert_eq!(
        answer.json()["checks"],
        serde_json::json!([
            dependency("disk", "ready"),
            failed("database", "refused by 10.1.2.3:5432"),
            failed("redis", "no answer within 1 s"),
        ])
    );
    let well = asked_once(vec![Check::Ready]).await.send(get("/readyz?verbose")).await;
    assert_eq!((well.status, well.json()["checks"][0]["state"].as_str()), (200, Some("ready")));
}

#[tokio::test(start_paused = true)]
async fn a_last_error_stays_after_the_dependency_is_back() {
    let (bench, moody, _watch) = watched(Mood::Works).await;
    moody.turn(Mood::Fails);
    asked_again(&moody, 1).await;
    let told = bench.send(get("/readyz?verbose")).await.json()["checks"][0].clone();
    assert_eq!((&told["state"], &told["contradictions"]), (&"ready".into(), &1.into()));
    moody.turn(Mood::Works);
    asked_again(&moody, 1).await;
    let told = bench.send(get("/readyz?verbose")).await.json()["checks"][0].clone();
    assert_eq!(told["contradictions"], 0);
    assert_eq!(told["last_error"]["why"], "connection refused");
}

#[tokio::test(start_paused = true)]
async fn a_service_has_started_once_everything_was_ready_and_for_good() {
    let (bench, moody, _watch) = watched(Mood::Fails).await;
    let started = async || bench.send(get("/startupz")).await.status;
    assert_eq!(started().await, 503);
    moody.turn(Mood::Works);
    asked_again(&moody, 2).await;
    assert_eq!(started().await, 200);
    moody.turn(Mood::Fails);
    asked_again(&moody, 4).await;
    assert!(!ready(&bench).await);
    assert_eq!(started().await, 200, "an outage is no new start");
    bench.readiness.drain();
    assert_eq!(started().await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_readiness_at_once_and_for_good_and_liveness_never() {
    let (bench, moody, _watch) = watched(Mood::Works).await;
    assert!(ready(&bench).await);
    bench.readiness.drain();
    for _ in 0..2 {
        let answer = bench.send(get("/readyz")).await;
        assert_eq!(answer.json()["detail"], "draining");
        asked_again(&moody, 3).await;
    }
    assert_eq!(bench.send(get("/livez")).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_broken_dependency_is_no_reason_to_restart() {
    let bench = asked_once(vec![Check::Unready, Check::Silent]).await;
    assert_eq!(bench.send(get("/livez")).await.status, 200);
}
