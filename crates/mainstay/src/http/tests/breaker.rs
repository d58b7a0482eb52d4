//! A service that fails is left alone until a probe fares well.

use std::sync::atomic::{AtomicBool, Ordering};

use mainstay_core::Fault;

use super::{
    server::{Act, Scripted, answer},
    *,
};

const BREAKER: BreakerOptions = BreakerOptions {
    failures: 3,
    of: 6,
    rest: Duration::from_millis(50),
    rest_max: Duration::from_millis(50),
};

#[tokio::test]
async fn an_open_breaker_lets_a_single_probe_through_whose_success_closes_it() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = is_well.clone();
    let server = Scripted::start(move |_| {
        answer(if well.load(Ordering::SeqCst) { 200 } else { 503 }, "", "")
    })
    .await;
    let options = ClientOptions { breaker: Some(BREAKER), attempts_max: 1, ..options() };
    let client = client(&server, options);
    for _ in 0..3 {
        client.get("/").send().await.expect_err("it fails");
    }
    let (journal, work) = request(SOON);
    let refused = work.scope(client.get("/").send()).await.expect_err("it is open");
    assert!(matches!(refused, CallError::Refused(_)), "{refused:?}");
    let wait = refused.retry_after().expect("when to come back");
    assert!(wait <= BREAKER.rest, "{wait:?}");
    assert_eq!(server.requests(), 3, "nothing was sent");
    assert_eq!(steps(&journal), [("refused", None, true)]);

    is_well.store(true, Ordering::SeqCst);
    tokio::time::sleep(wait).await;
    // On one thread all of them ask before the first has its answer.
    let calls = (0..10).map(|_| tokio::spawn(client.get("/").send())).collect::<Vec<_>>();
    let mut answered = 0;
    for call in calls {
        answered += usize::from(call.await.expect("no panic").is_ok());
    }
    assert_eq!((answered, server.requests()), (1, 4));
    assert!(!client.is_left_alone());
    client.get("/").send().await.expect("it is closed");
}

#[tokio::test]
async fn short_deadlines_of_our_callers_do_not_open_it() {
    let server = Scripted::start(|_| Act::SayAndHang("")).await;
    let short = Duration::from_millis(20);
    let options = ClientOptions { breaker: Some(BREAKER), ..options() };
    let client = client(&server, options);
    for _ in 0..6 {
        let (_, work) = request(short);
        let error = work.scope(client.get("/").send()).await;
        assert!(matches!(error, Err(CallError::TimedOut(_))), "{error:?}");
    }
    assert!(!client.is_left_alone());

    let options = ClientOptions { attempt_timeout: short, attempts_max: 1, ..options };
    let client = super::client(&server, options);
    for _ in 0..3 {
        let error = client.get("/").send().await;
        assert!(matches!(error, Err(CallError::TimedOut(_))), "{error:?}");
    }
    assert!(client.is_left_alone(), "an attempt that had all its time counts");
}

#[tokio::test]
async fn more_calls_than_there_may_be_are_refused() {
    let server = Scripted::start(|_| Act::SayAndHang("")).await;
    let client = client(&server, ClientOptions { in_flight_max: 1, ..options() });
    let mut first = Box::pin(client.get("/").send());
    let begun = tokio::time::timeout(Duration::from_millis(1), first.as_mut()).await;
    begun.expect_err("it has no answer");
    let error = client.get("/").send().await.expect_err("there is one already");
    assert!(matches!(error, CallError::Refused(_)), "{error:?}");
    drop(first);
    let mut second = Box::pin(client.get("/").send());
    let begun = tokio::time::timeout(Duration::from_millis(1), second.as_mut()).await;
    begun.expect_err("the place is free again");
}
