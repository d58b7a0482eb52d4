//! A file that is damaged, locked, removed or shared: what fails says so, and the rest goes on.

use std::{error::Error, fs, os::unix::fs::FileExt};

use mainstay_core::{Health, HealthCheck};
use mainstay_store::{Database, DatabaseOptions, StoreError, params};

use super::fixture::{Fixture, SHORT, add, ids, open};

/// Overwrites part of the closed file, and opens it again.
async fn damaged(fixture: &Fixture, from: u64, length: usize) -> Result<Database, String> {
    fixture.db.close().await;
    let path = fixture.folder.path().join("app.db");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("is there");
    file.write_all_at(&vec![0x5a; length], from).expect("is written");
    let url = format!("sqlite:{}", path.display()).parse().expect("an address");
    let opened = Database::open(&url, &DatabaseOptions::default()).await;
    opened.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_damaged_table_is_unavailable_and_the_others_go_on() {
    let fixture = Fixture::new().await;
    fixture.add(1).await.expect("is written");
    let fill = "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                FROM n WHERE i < 2000) SELECT i, zeroblob(1000) AS bytes FROM n";
    fixture.db.execute(fill, params![]).await.expect("is filled");
    // Beyond the first pages, where the other table is.
    let db = damaged(&fixture, 256 * 1024, 1024 * 1024).await.expect("opens");
    let sum = "SELECT sum(length(bytes)) FROM filler";
    for _ in 0..3 {
        let error = db.query::<(i64,)>(sum, params![]).await.expect_err("is damaged");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains("malformed") && cause.contains("filler"), "{cause}");
    }
    let write = db.execute("UPDATE filler SET i = i + 1", params![]).await;
    assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
    assert_eq!(ids(&db).await, [1]);
    add(&db, 2).await.expect("the writer lives on");
    assert_eq!(ids(&db).await, [1, 2]);
    db.close().await;
}

#[tokio::test]
async fn a_file_with_a_damaged_schema_does_not_open() {
    let fixture = Fixture::new().await;
    // The header of a database takes 100 bytes; behind it the schema begins.
    let error = damaged(&fixture, 100, 3000).await.expect_err("is damaged");
    assert!(error.contains("its content is damaged") && error.contains("Restore"), "{error}");
}

#[tokio::test]
async fn a_file_that_another_process_has_for_itself_does_not_open_until_it_lets_go() {
    let fixture = Fixture::new().await;
    fixture.db.close().await;
    let path = fixture.folder.path().join("app.db");
    let other = rusqlite::Connection::open(&path).expect("opens");
    let lock = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";
    other.execute_batch(lock).expect("is alone");
    let url = format!("sqlite:{}", path.display()).parse().expect("an address");
    let impatient = DatabaseOptions { busy_timeout: SHORT, ..DatabaseOptions::default() };
    let error = Database::open(&url, &impatient).await.expect_err("is locked").to_string();
    assert!(error.contains("another process holds its lock"), "{error}");
    drop(other);
    Database::open(&url, &impatient).await.expect("is free").close().await;
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_makes_the_service_unready() {
    let fixture = Fixture::new().await;
    let path = fixture.folder.path().join("app.db");
    let kept = fixture.folder.path().join("kept.db");
    assert_eq!(fixture.db.check().await, Health::Ready);
    fs::rename(&path, &kept).expect("is moved");
    let unready = |health| match health {
        Health::Unready(reason) => reason,
        Health::Ready => panic!("nobody noticed"),
    };
    let reason = unready(fixture.db.check().await);
    assert!(reason.contains("removed or replaced"), "{reason}");
    fs::copy(&kept, &path).expect("a backup is put there");
    let reason = unready(fixture.db.check().await);
    assert!(reason.contains("removed or replaced"), "{reason}");
    fs::rename(&kept, &path).expect("is put back");
    assert_eq!(fixture.db.check().await, Health::Ready);
    fixture.add(1).await.expect("is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_on_one_file_lose_nothing() {
    let fixture = Fixture::new().await;
    let other = open(&fixture.folder, "app.db", &DatabaseOptions::default()).await;
    let writing = |db: Database, first: i64| async move {
        for id in first..first + 100 {
            add(&db, id).await.expect("waits for the other");
        }
    };
    tokio::join!(writing(fixture.db.clone(), 0), writing(other.clone(), 1000));
    let both = fixture.ids().await;
    assert_eq!(both.len(), 200);
    assert_eq!(ids(&other).await, both);
    other.close().await;
}
