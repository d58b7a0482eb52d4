//! What is tried again, and how often.

use super::{
    server::{Act, Scripted, answer},
    *,
};

/// How many attempts a call makes at a server that never answers but so.
async fn attempts(act: fn() -> Act, call: impl FnOnce(&Client) -> Call) -> usize {
    let server = Scripted::start(move |_| act()).await;
    // Whatever came of it, the server has counted.
    let _ = call(&client(&server, options())).send().await;
    server.requests()
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_tried_again() {
    let busy = || answer(503, "", "");
    assert_eq!(attempts(busy, |it| it.get("/")).await, 3);
    assert_eq!(attempts(busy, |it| it.call(Method::HEAD, "/")).await, 3);
    assert_eq!(attempts(busy, |it| it.put("/").json(&1)).await, 3);
    assert_eq!(attempts(busy, |it| it.delete("/")).await, 3);
    assert_eq!(attempts(busy, |it| it.post("/").json(&1)).await, 1);
    assert_eq!(attempts(busy, |it| it.patch("/").json(&1)).await, 1);
    assert_eq!(attempts(busy, |it| it.post("/").json(&1).idempotency_key("k")).await, 3);
    assert_eq!(attempts(busy, |it| it.post("/").json(&1).idempotent()).await, 3);
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    for (act, expected) in [
        (answer_of::<502> as fn() -> Act, 3),
        (answer_of::<503>, 3),
        (answer_of::<504>, 3),
        (|| answer(429, "retry-after: 0\r\n", ""), 3),
        (|| Act::Close, 3),
        (|| Act::SayAndClose("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nx"), 3),
        // Not told when, who was asked to come less often stays away.
        (answer_of::<429>, 1),
        (answer_of::<400>, 1),
        (answer_of::<404>, 1),
        (answer_of::<500>, 1),
        (answer_of::<501>, 1),
    ] {
        assert_eq!(attempts(act, |it| it.get("/")).await, expected);
    }
}

fn answer_of<const STATUS: u16>() -> Act {
    answer(STATUS, "", "")
}

#[tokio::test]
async fn an_attempt_that_fares_better_ends_the_call() {
    let server = Scripted::start(|number| match number {
        0 => answer(503, "", ""),
        1 => Act::Close,
        _ => answer(200, "", "7"),
    })
    .await;
    let client = client(&server, options());
    let (journal, work) = request(SOON);
    let number = work.scope(async { client.get("/").send().await?.json::<u32>() }).await;
    assert_eq!(number.expect("an answer"), 7);
    assert_eq!(
        steps(&journal),
        [("retried", Some(503), false), ("retried", None, false), ("ok", Some(200), false)]
    );
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_cut_and_made_again() {
    let server = Scripted::start(|number| match number {
        0 => Act::SayAndHang("HTTP/1.1 200 X\r\n"),
        _ => answer(200, "", "7"),
    })
    .await;
    let options = ClientOptions { attempt_timeout: Duration::from_millis(100), ..options() };
    let answer = client(&server, options).get("/").send().await.expect("the second answers");
    assert_eq!((answer.status(), server.requests()), (StatusCode::OK, 2));
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_connection_up_and_leaves_an_abandoned_step() {
    let server = Scripted::start(|_| Act::SayAndHang("HTTP/1.1 200 X\r\n")).await;
    let client = client(&server, options());
    let (journal, work) = request(SOON);
    let call = tokio::spawn(work.scope(client.get("/").send()));
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    tokio::time::timeout(SOON, server.given_up()).await.expect("soon");
    call.await.expect_err("it was dropped");
    assert_eq!(steps(&journal), [("abandoned", None, true)]);
    assert_eq!(server.requests(), 1, "and is not made again");
}

#[tokio::test]
async fn a_wait_that_the_deadline_leaves_no_time_for_is_not_begun() {
    let server = Scripted::start(|_| answer(503, "retry-after: 60\r\n", "")).await;
    let (_, work) = request(Duration::from_secs(10));
    let sent = work.scope(client(&server, options()).get("/").send());
    let error = tokio::time::timeout(Duration::from_secs(5), sent).await.expect("at once");
    let error = error.expect_err("it is busy");
    assert!(matches!(error, CallError::Unavailable(_)), "{error:?}");
    let wait = mainstay_core::Fault::retry_after(&error);
    assert_eq!((wait, server.requests()), (Some(Duration::from_mins(1)), 1));
}

#[tokio::test]
async fn no_attempt_is_made_when_no_time_is_left() {
    let server = Scripted::start(|_| answer(200, "", "")).await;
    let (journal, work) = request(Duration::from_millis(5));
    let error = work.scope(client(&server, options()).get("/").send()).await;
    assert!(matches!(error, Err(CallError::TimedOut(_))), "{error:?}");
    assert_eq!(server.requests(), 0);
    assert_eq!(steps(&journal), [("timed_out", None, true)]);
}

/// Calls that are made at once, so many at a time.
async fn storm(client: &Client, calls: usize, at_a_time: usize) {
    let tasks: Vec<_> = (0..at_a_time)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..calls / at_a_time {
                    client.get("/").send().await.expect_err("an outage");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

#[tokio::test]
async fn an_outage_makes_a_tenth_more_attempts_than_there_are_calls() {
    let server = Scripted::start(|_| answer(503, "", "")).await;
    let retry_budget = RetryBudget { ratio: 0.1, floor_per_second: 1.0 };
    let client = client(&server, ClientOptions { retry_budget, ..options() });
    let began = std::time::Instant::now();
    storm(&client, 10_000, 20).await;
    // The floor adds ten at the start, and one in each second.
    let most = 11_000 + 10 + began.elapsed().as_secs() as usize + 1;
    let made = server.requests();
    assert!((10_900..=most).contains(&made), "{made} attempts");
    assert_eq!(client.figures().attempts() as usize, made);
    assert_eq!(client.figures().retries() as usize, made - 10_000);
}

#[tokio::test]
async fn behind_a_breaker_an_outage_makes_hardly_an_attempt() {
    let server = Scripted::start(|_| answer(503, "", "")).await;
    let rest = Duration::from_mins(1);
    let breaker = Some(BreakerOptions { rest, ..BreakerOptions::default() });
    let client = client(&server, ClientOptions { breaker, ..options() });
    storm(&client, 10_000, 20).await;
    // Ten that open it, and whatever was under way meanwhile.
    assert!((10..=30).contains(&server.requests()), "{}", server.requests());
}
