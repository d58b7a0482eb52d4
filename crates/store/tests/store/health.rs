//! Busy is not broken; closed is.

use mainstay_core::{Health, HealthCheck};
use mainstay_store::{DatabaseOptions, params};

use crate::fixture::{ENDLESS, Fixture};

#[tokio::test]
async fn a_busy_database_is_ready() {
    let options = DatabaseOptions { readers: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let tx = fixture.db.begin().await.expect("the writer is free");
    let db = fixture.db.clone();
    let reading = tokio::spawn(async move { db.query::<()>(ENDLESS, params![]).await });
    tokio::task::yield_now().await;
    assert_eq!(fixture.db.check().await, Health::Ready);
    reading.abort();
    tx.rollback().await.expect("is undone");
}

#[tokio::test]
async fn a_closed_database_is_not() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.db.check().await, Health::Ready);
    fixture.db.close().await;
    assert!(matches!(fixture.db.check().await, Health::Unready(_)));
}
