//! Busy is not broken; broken is.

use std::fs;

use mainstay_core::{Fault, Health, HealthCheck};
use mainstay_store::{DatabaseOptions, STORE_UNAVAILABLE, StoreError, params};

use super::fixture::{Fixture, SHORT};

#[tokio::test]
async fn a_damaged_or_closed_database_is_not() {
    let fixture = Fixture::new().await;
    fixture.db.execute("PRAGMA wal_checkpoint", params![]).await.ok();
    let file = fixture.folder.path().join("app.db");
    for suffix in ["", "-wal"] {
        let file = format!("{}{suffix}", file.display());
        fs::write(file, "no database any more. ".repeat(1000)).expect("the file is written");
    }
    assert!(matches!(fixture.db.check().await, Health::Unready(_)));
    fixture.db.close().await;
    assert!(matches!(fixture.db.check().await, Health::Unready(_)));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_passes() {
    let fixture = Fixture::new().await;
    let limit = |sql| fixture.db.execute_returning::<(i64,)>(sql, params![]);
    limit("PRAGMA max_page_count = 3").await.expect("is set");
    let error = loop {
        let sql = "INSERT INTO notes (id, body) SELECT coalesce(max(id), 0) + 1, $1 FROM notes";
        match fixture.db.execute(sql, params!["x".repeat(90)]).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(error.code(), STORE_UNAVAILABLE);
    assert!(error.retry_after().is_some());
    limit("PRAGMA max_page_count = 1000").await.expect("is set");
    fixture.add(1_000_000).await.expect("there is room again");
}

#[tokio::test]
async fn a_lock_held_by_another_process_is_waited_for_and_then_unavailable() {
    let options = DatabaseOptions { busy_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let other = rusqlite::Connection::open(fixture.folder.path().join("app.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let error = fixture.add(1).await.expect_err("the lock is taken");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(fixture.db.begin().await.is_err());
    assert!(fixture.ids().await.is_empty(), "reading needs no lock");
    other.execute_batch("COMMIT").expect("the lock is given back");
    fixture.add(1).await.expect("the lock is free");
}
