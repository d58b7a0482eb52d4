//! Rate limits as a client meets them, with the quotas of production and a clock that tests move.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use accounts::Accounts;
use mainstay_testing::{Call, Reply, TestApp};

use crate::support::{PASSWORD, assert_outcome, limited, log_in_with, registration};

/// The window of both limits.
const WINDOW_SECONDS: u64 = 60;

/// A limit releases what lies wholly outside of the window, a second at a time.
const STEP_SECONDS: u64 = 1;

async fn start() -> TestApp {
    TestApp::start_with::<Accounts>(limited()).await
}

/// Sends calls until one is refused, and says how many were not, and the refusal.
async fn exhaust(mut call: impl FnMut(u32) -> Call) -> (u32, Reply) {
    for admitted in 0..1000 {
        let reply = call(admitted).send().await;
        if reply.status.as_u16() == 429 {
            return (admitted, reply);
        }
    }
    panic!("nothing is refused");
}

/// Asserts the whole form of a refusal, and gives the seconds to wait.
fn check(refusal: &Reply, policy: &str, quota: u32) -> u64 {
    assert_outcome(refusal, 429, "RATE_LIMITED", policy);
    let header = format!("\"{policy}\";q={quota};w={WINDOW_SECONDS}");
    assert_eq!(refusal.header("ratelimit-policy"), header);
    let wait: u64 = refusal.header("retry-after").parse().expect("whole seconds");
    assert_eq!(refusal.header("ratelimit"), format!("\"{policy}\";r=0;t={wait}"));
    let body = refusal.json();
    let exact = body["retry_after_ms"].as_u64().expect("milliseconds");
    assert!((wait - 1) * 1000 < exact && exact <= wait * 1000, "{exact} ms and {wait} s");
    wait
}

/// Each names another account: what an account itself bears is another matter.
fn wrong_log_in(app: &TestApp) -> Call {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    log_in_with(app, &format!("nobody{number}@example.com"), "not the right one")
}

#[tokio::test]
async fn the_eleventh_log_in_in_a_minute_is_refused() {
    let app = start().await;
    for left in (0..10).rev() {
        let reply = wrong_log_in(&app).send().await;
        assert_outcome(&reply, 401, "INVALID_CREDENTIALS", "within the quota");
        let state = reply.header("ratelimit");
        assert!(state.starts_with(&format!("\"sessions.create\";r={left}")), "{state}");
    }
    let wait = check(&wrong_log_in(&app).send().await, "sessions.create", 10);
    assert!((WINDOW_SECONDS..=WINDOW_SECONDS + STEP_SECONDS).contains(&wait), "{wait}");
    app.advance(Duration::from_secs(wait));
    assert_outcome(&wrong_log_in(&app).send().await, 401, "INVALID_CREDENTIALS", "after the wait");
}

#[tokio::test]
async fn the_window_slides() {
    let app = start().await;
    for _ in 0..5 {
        wrong_log_in(&app).send().await;
    }
    app.advance(Duration::from_secs(30));
    let (admitted, refusal) = exhaust(|_| wrong_log_in(&app)).await;
    assert_eq!(admitted, 5);
    let wait = check(&refusal, "sessions.create", 10);
    assert!((30..=30 + STEP_SECONDS).contains(&wait), "{wait}");
    app.advance(Duration::from_secs(wait - 2));
    assert_outcome(&wrong_log_in(&app).send().await, 429, "RATE_LIMITED", "too early");
    app.advance(Duration::from_secs(2));
    let (admitted, refusal) = exhaust(|_| wrong_log_in(&app)).await;
    assert_eq!(admitted, 5, "only what has left the window is free");
    let wait = check(&refusal, "sessions.create", 10);
    assert!((28..=30).contains(&wait), "{wait}");
}

#[tokio::test]
async fn no_minute_has_more_than_its_quota() {
    let app = start().await;
    let mut admitted = Vec::new();
    for second in 0_u64..300 {
        // A burst, then a trickle, then a burst.
        let calls = if second % 100 < 5 { 6 } else { 1 };
        for _ in 0..calls {
            if wrong_log_in(&app).send().await.status.as_u16() != 429 {
                admitted.push(second);
            }
        }
        app.advance(Duration::from_secs(1));
    }
    for start in &admitted {
        let window = *start..start + WINDOW_SECONDS;
        let count = admitted.iter().filter(|second| window.contains(second)).count();
        assert!(count <= 10, "{count} in the minute from second {start}");
    }
    assert!(admitted.len() >= 45, "{} of 50 were granted", admitted.len());
}

#[tokio::test]
async fn a_right_password_beyond_the_quota_opens_nothing() {
    let app = start().await;
    crate::support::Person::join(&app, "ada").await;
    let (admitted, _) = exhaust(|_| wrong_log_in(&app)).await;
    assert_eq!(admitted, 9, "the first was the log-in that succeeded");
    let reply = log_in_with(&app, "ada@example.com", PASSWORD).send().await;
    check(&reply, "sessions.create", 10);
    assert_eq!(app.neighbour().number("SELECT count(*) FROM sessions"), 1);
}

#[tokio::test]
async fn the_twenty_first_registration_in_a_minute_is_refused() {
    let app = start().await;
    let register = |n: u32| registration(&app, &format!("user{n}@example.com"));
    let (admitted, refusal) = exhaust(register).await;
    assert_eq!(admitted, 20);
    check(&refusal, "users.create", 20);
    assert_eq!(app.neighbour().number("SELECT count(*) FROM users"), 20);
    let other = wrong_log_in(&app).send().await;
    assert_outcome(&other, 401, "INVALID_CREDENTIALS", "another limit is not touched");
}

#[tokio::test]
async fn a_forged_address_gains_nothing() {
    let app = start().await;
    let (admitted, _) = exhaust(|n| {
        let call = wrong_log_in(&app).header("x-forwarded-for", &format!("192.0.2.{n}"));
        call.header("forwarded", &format!("for=192.0.2.{n}"))
    })
    .await;
    assert_eq!(admitted, 10);
}

#[tokio::test]
async fn anonymous_requests_are_counted_before_anybody_is_asked_who_they_are() {
    let options = limited().with("MAINSTAY_LIMITS__REQUESTS", "3");
    let app = TestApp::start_with::<Accounts>(options).await;
    let (admitted, refusal) = exhaust(|_| app.get("/me")).await;
    assert_eq!(admitted, 3);
    check(&refusal, "default", 3);
}
