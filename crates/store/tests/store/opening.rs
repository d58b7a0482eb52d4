//! A database that cannot be opened says what, why and how to fix it.

use std::{fs, path::Path};

use mainstay_store::{Database, DatabaseOptions, OpenError, StoreError, params};
use tempfile::tempdir;

use crate::fixture::{Fixture, memory};

async fn refused(url: &str) -> OpenError {
    let url = url.parse().expect("an address");
    Database::open(&url, &DatabaseOptions::default()).await.expect_err("cannot be opened")
}

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn each_reason_is_explained() {
    let folder = tempdir().expect("a temporary folder");
    let text = folder.path().join("text");
    fs::write(
        &text,
        "this is no database, and long enough to have a header of 100 bytes. ".repeat(3),
    )
    .expect("a file");
    for (path, why) in [
        (folder.path(), "it is a folder"),
        (&text, "the file is not a SQLite database, or it is encrypted"),
        (&text.join("app.db"), "its folder"),
    ] {
        let OpenError(explanation) = refused(&url(path)).await;
        assert!(explanation.why.starts_with(why), "{explanation:?}");
        assert!(explanation.what.contains(&path.display().to_string()), "{explanation:?}");
        assert!(explanation.fix.ends_with('.'), "{explanation:?}");
    }
    assert!(fs::read_to_string(&text).expect("still there").starts_with("this is no database"));
}

#[tokio::test]
async fn a_size_of_zero_is_refused() {
    let options = DatabaseOptions { readers: 0, ..DatabaseOptions::default() };
    let url = "sqlite::memory:".parse().expect("an address");
    let error = Database::open(&url, &options).await.expect_err("nothing would read");
    assert!(error.to_string().contains("`readers` is 0"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::new().await;
    for file in ["app.db", "app.db-wal", "app.db-shm"] {
        let file = fixture.folder.path().join(file);
        let mode = fs::metadata(&file).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn each_memory_database_is_its_own() {
    let (one, two) = (memory().await, memory().await);
    one.execute("CREATE TABLE t (a bigint)", params![]).await.expect("is created");
    two.execute("CREATE TABLE t (a bigint)", params![]).await.expect("is created here too");
    one.execute("INSERT INTO t VALUES (1)", params![]).await.expect("is written");
    let count = "SELECT count(*) FROM t";
    assert_eq!(one.query_one::<(i64,)>(count, params![]).await.expect("is read"), (1,));
    assert_eq!(two.query_one::<(i64,)>(count, params![]).await.expect("is read"), (0,));
}

#[tokio::test]
async fn a_closed_database_finishes_its_queue_and_refuses_more() {
    let fixture = Fixture::new().await;
    let adding: Vec<_> = (0..20)
        .map(|id| {
            let db = fixture.db.clone();
            tokio::spawn(async move { crate::fixture::add(&db, id).await })
        })
        .collect();
    // Every task has pushed its statement when the next one is polled.
    tokio::task::yield_now().await;
    fixture.db.close().await;
    fixture.db.close().await;
    for task in adding {
        assert_eq!(task.await.expect("no panic").expect("was queued before"), 1);
    }
    let refused = fixture.add(99).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!fixture.folder.path().join("app.db-wal").exists(), "the log was left behind");
    let again = crate::fixture::open(&fixture.folder, "app.db", &DatabaseOptions::default()).await;
    assert_eq!(crate::fixture::ids(&again).await.len(), 20);
}
