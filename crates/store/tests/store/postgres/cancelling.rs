//! A cancellation names a connection, and hits whatever runs there when it arrives.

use std::time::Duration;

use mainstay_store::{DatabaseOptions, params};
use mainstay_test_databases::FaultProxy;

use super::fixture::{Fixture, open};

/// How late each cancellation is: when it arrives, what it was meant for has long ended.
const DELAY: Duration = Duration::from_millis(30);

#[tokio::test]
async fn a_cancellation_that_is_late_hits_nobody_else() {
    let fixture = Fixture::new().await;
    let proxy = FaultProxy::in_front_of(&fixture.url);
    proxy.delay_cancellations(DELAY);
    let options = DatabaseOptions { pool_max: 1, ..DatabaseOptions::default() };
    let db = open(&proxy.url(), options).await;
    for _ in 0..20 {
        let mut tx = db.begin().await.expect("begins");
        let brief = tx.query::<()>("SELECT pg_sleep(0.01)", params![]);
        assert!(tokio::time::timeout(Duration::from_millis(2), brief).await.is_err());
        drop(tx);
        let mut next = db.begin().await.expect("begins");
        let meant_for_nobody = next.query::<()>("SELECT pg_sleep(0.06)", params![]).await;
        meant_for_nobody.expect("is not the one that was cancelled");
        next.commit().await.expect("is committed");
    }
}
