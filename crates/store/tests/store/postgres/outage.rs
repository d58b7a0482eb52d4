//! A server that cannot be reached: everybody is told at once, and it is found again.

use std::time::Duration;

use mainstay_store::{DatabaseOptions, StoreError, params};
use mainstay_test_databases::FaultProxy;
use tokio::time::Instant;

use super::fixture::{Fixture, open};

#[tokio::test]
async fn while_nothing_connects_everybody_is_told_at_once() {
    let fixture = Fixture::new().await;
    let proxy = FaultProxy::in_front_of(&fixture.url);
    let db = open(&proxy.url(), DatabaseOptions::default()).await;
    db.query::<()>("SELECT 1", params![]).await.expect("is answered");
    db.begin().await.expect("begins").commit().await.expect("is committed");
    proxy.refuse();
    let begun = Instant::now();
    for _ in 0..100 {
        let refused = db.query::<()>("SELECT 1", params![]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let refused = db.begin().await.err();
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    proxy.pass();
    let begun = Instant::now();
    while db.query::<()>("SELECT 1", params![]).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(3), "the server is not found again");
        tokio::task::yield_now().await;
    }
    db.begin().await.expect("begins").commit().await.expect("is committed");
    db.close().await;
}
