//! kill -9 in the middle of a migration, and then again, by two processes at once.

use std::fs;

use mainstay_store::{Database, DatabaseOptions, Migration, MigrationState, Migrations, params};

use super::fixture::open;
use crate::process::{Migrating, migrates};

/// Twenty megabytes, more than are kept in memory, and then a count that is over when the table
/// says so.
const WORK: Migrations = Migrations::new(&[
    Migration::new("0001_amount.sql", "CREATE TABLE amount (rows bigint)"),
    Migration::new(
        "0002_two.sql",
        "CREATE TABLE two (id bigint, text text);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO two SELECT i, hex(zeroblob(500)) FROM n;
         WITH RECURSIVE n(i) AS
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT rows FROM amount))
         INSERT INTO two SELECT count(*), 'all' FROM n",
    ),
    Migration::new("0003_three.sql", "CREATE TABLE three (id bigint)"),
]);
const BEFORE_WORK: Migrations =
    Migrations::new(&[Migration::new("0001_amount.sql", "CREATE TABLE amount (rows bigint)")]);

async fn number(db: &Database, sql: &'static str) -> i64 {
    let (number,) = db.query_one(sql, params![]).await.expect("is read");
    number
}

#[tokio::test]
async fn a_migration_is_killed_and_nothing_of_it_is_left() {
    const TEST: &str = "sqlite::killed::a_migration_is_killed_and_nothing_of_it_is_left";
    if migrates(WORK).await {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = open(&folder, "app.db", &DatabaseOptions::default()).await;
    let url = format!("sqlite:{}", folder.path().join("app.db").display());
    db.migrate(BEFORE_WORK).up().await.expect("is applied");
    let endless = "INSERT INTO amount VALUES (9000000000000000)";
    db.execute(endless, params![]).await.expect("is written");
    let migrating = Migrating::start(TEST, &url);
    // What does not fit into memory is written before it is committed, and that never comes.
    let log = folder.path().join("app.db-wal");
    while fs::metadata(&log).expect("the log").len() < 10 << 20 {
        tokio::task::yield_now().await;
    }
    migrating.kill();
    let there = "SELECT count(*) FROM sqlite_schema WHERE name IN ('two', 'three')";
    assert_eq!(number(&db, there).await, 0);
    let little = "UPDATE amount SET rows = 10";
    assert_eq!(db.execute(little, params![]).await.expect("nobody holds the lock"), 1);
    let both = [(); 2].map(|()| Migrating::start(TEST, &url));
    both.into_iter().for_each(Migrating::succeeds);

    let reports = db.migrate(WORK).status().await.expect("is read");
    let applied = |state| matches!(state, MigrationState::Applied { .. });
    assert!(reports.iter().all(|report| applied(report.state)), "{reports:?}");
    assert_eq!(number(&db, "SELECT count(*) FROM two").await, 20_001);
    assert_eq!(number(&db, "SELECT id FROM two WHERE text = 'all'").await, 10);
    let (sound,): (String,) =
        db.query_one("PRAGMA integrity_check", params![]).await.expect("is checked");
    assert_eq!(sound, "ok");
    db.close().await;
}
