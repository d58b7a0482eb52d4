//! A copy of one moment, taken while others write.

use std::{fs, path::Path};

use mainstay_store::{BackupError, BackupProgress, DatabaseOptions, params};

use super::fixture::{Fixture, add, ids, open};

/// Enough for several steps of 1 MiB.
async fn large() -> Fixture {
    let fixture = Fixture::new().await;
    let fill = "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
                FROM n WHERE i < 3000) SELECT i, zeroblob(1000) AS bytes FROM n";
    fixture.db.execute(fill, params![]).await.expect("is filled");
    fixture
}

fn why(error: &BackupError) -> &str {
    &error.0.why
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_of_one_moment_and_holds_up_no_write() {
    let fixture = large().await;
    fixture.add(1).await.expect("is written");
    let to = fixture.folder.path().join("copy.db");
    let (db, runtime) = (fixture.db.clone(), tokio::runtime::Handle::current());
    let mut seen = Vec::new();
    let (told, steps) = std::sync::mpsc::channel();
    let writing = move |progress: BackupProgress| {
        seen.push(progress);
        // Between two steps, and also by another process: neither waits, nor begins the copy anew.
        let id = 10 * seen.len() as i64;
        runtime.block_on(add(&db, id)).expect("is written meanwhile");
        let _ = told.send(progress);
    };
    let bytes = fixture.db.backup(&to, writing).await.expect("is backed up");
    let steps: Vec<_> = steps.try_iter().collect();
    assert!(steps.len() > 2, "{steps:?}");
    assert!(steps.is_sorted_by_key(|step| step.done), "{steps:?}");
    assert_eq!(steps.last().map(|step| step.done), Some(bytes));
    assert_eq!(fs::metadata(&to).expect("is there").len(), bytes);
    assert_eq!(fixture.ids().await.len(), 1 + steps.len());

    let copy = open(&fixture.folder, "copy.db", &DatabaseOptions::default()).await;
    assert_eq!(ids(&copy).await, [1], "what was written later is not in it");
    copy.close().await;
}

#[tokio::test]
async fn a_backup_is_one_private_file_and_never_overwrites() {
    let fixture = Fixture::new().await;
    let to = fixture.folder.path().join("copy.db");
    fixture.db.backup(&to, |_| {}).await.expect("is backed up");
    let beside: Vec<_> = ["-wal", "-shm", "-journal", ".partial"]
        .into_iter()
        .filter(|suffix| fs::exists(format!("{}{suffix}", to.display())).expect("can be asked"))
        .collect();
    assert!(beside.is_empty(), "{beside:?}");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&to).expect("is there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
    let refused = fixture.db.backup(&to, |_| {}).await.expect_err("is there");
    assert_eq!(why(&refused), "there is a file already");
    let nowhere = fixture.db.backup(Path::new("/nowhere/copy.db"), |_| {}).await;
    assert!(why(&nowhere.expect_err("has no folder")).contains("cannot be created"));
}

#[tokio::test]
async fn a_damaged_database_is_not_backed_up_as_if_it_were_whole() {
    let fixture = large().await;
    fixture.db.close().await;
    let file = fixture.folder.path().join("app.db");
    let mut bytes = fs::read(&file).expect("is there");
    // Pages in the middle: the header is whole, so it opens.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64 * 1024].fill(0x5a);
    fs::write(&file, bytes).expect("is written");
    let db = open(&fixture.folder, "app.db", &DatabaseOptions::default()).await;
    let to = fixture.folder.path().join("copy.db");
    let refused = db.backup(&to, |_| {}).await.expect_err("is damaged");
    assert!(why(&refused).contains("damaged"), "{refused}");
    assert!(!to.exists() && !fixture.folder.path().join("copy.db.partial").exists());
}
