//! Many writes share one durable commit, and nobody notices but the disk.

use std::fs;

use mainstay_store::{Database, DatabaseOptions, StoreError, params};
use tempfile::tempdir;
use tokio::task::JoinHandle;

use super::fixture::{Fixture, SHORT, add, ids, open};

type Writing = JoinHandle<Result<u64, StoreError>>;

fn write(db: &Database, sql: &'static str, id: i64) -> Writing {
    let db = db.clone();
    tokio::spawn(async move { db.execute(sql, params![id]).await })
}

const INSERT: &str = "INSERT INTO notes (id, body) VALUES ($1, 'group')";

const ENDLESS_INSERT: &str = "INSERT INTO notes (id, body) WITH RECURSIVE n(i) AS \
    (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 100 + $1, 'x' FROM n WHERE i < 0";

/// Queues the writes behind an open transaction, so that they meet in one group.
async fn in_one_group(
    db: &Database,
    writes: impl IntoIterator<Item = (&'static str, i64)>,
) -> Vec<Result<u64, StoreError>> {
    let holding = db.begin().await.expect("the writer is free");
    let writes: Vec<_> = writes.into_iter().map(|(sql, id)| write(db, sql, id)).collect();
    // One thread and a fair queue: every task has pushed its statement when this one goes on.
    tokio::task::yield_now().await;
    holding.commit().await.expect("is committed");
    let mut results = Vec::new();
    for writing in writes {
        results.push(writing.await.expect("no panic"));
    }
    results
}

#[tokio::test]
async fn a_failing_write_does_not_affect_its_neighbours() {
    let fixture = Fixture::new().await;
    // Every id comes twice.
    let writes = (0..64).map(|n| (INSERT, n / 2));
    let results = in_one_group(&fixture.db, writes).await;
    for pair in results.chunks(2) {
        assert!(matches!(pair[0], Ok(1)), "{pair:?}");
        assert!(matches!(&pair[1], Err(e) if e.violates("notes_pkey")), "{pair:?}");
    }
    assert_eq!(fixture.ids().await, (0..32).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_value_of_the_wrong_type_halfway_keeps_nothing() {
    let fixture = Fixture::new().await;
    let strict = "CREATE TABLE strict_notes (id integer PRIMARY KEY, n integer) STRICT";
    fixture.db.execute(strict, params![]).await.expect("a table");
    // SQLite leaves the first row when the second is refused.
    let halfway = "INSERT INTO strict_notes (id, n) SELECT value, \
                   CASE value WHEN 1 THEN $1 ELSE 'x' END FROM json_each('[1, 2]')";
    let results = in_one_group(&fixture.db, [(INSERT, 12), (halfway, 10), (INSERT, 13)]).await;
    assert!(matches!(results[1], Err(StoreError::Internal(_))), "{results:?}");
    let kept = fixture.db.query::<(i64,)>("SELECT id FROM strict_notes", params![]).await;
    assert!(kept.expect("a read").is_empty());
    assert_eq!(fixture.ids().await, [12, 13]);
}

#[tokio::test]
async fn a_write_that_fails_halfway_keeps_nothing() {
    let fixture = Fixture::new().await;
    // `OR FAIL` leaves the rows before the conflict; the group is run again without it.
    let halfway = "INSERT OR FAIL INTO notes (id, body) \
                   SELECT $1 + value, 'x' FROM json_each('[0, 1, 2]')";
    let results = in_one_group(&fixture.db, [(INSERT, 12), (halfway, 10), (INSERT, 13)]).await;
    assert!(matches!(&results[1], Err(e) if e.violates("notes_pkey")), "{results:?}");
    assert_eq!(fixture.ids().await, [12, 13]);
}

#[tokio::test]
async fn a_write_that_ends_the_whole_transaction_costs_only_itself() {
    let options = DatabaseOptions { statement_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let rollback = "INSERT OR ROLLBACK INTO notes (id, body) VALUES ($1, 'x')";
    let writes =
        [(INSERT, 1), (INSERT, 2), (ENDLESS_INSERT, 3), (INSERT, 4), (rollback, 4), (INSERT, 5)];
    let results = in_one_group(&fixture.db, writes).await;
    assert!(matches!(results[2], Err(StoreError::TimedOut(_))), "{results:?}");
    assert!(matches!(&results[4], Err(e) if e.violates("notes_pkey")), "{results:?}");
    for kept in [0, 1, 3, 5] {
        assert!(matches!(results[kept], Ok(1)), "{results:?}");
    }
    assert_eq!(fixture.ids().await, [1, 2, 4, 5]);
}

#[tokio::test]
async fn a_transaction_that_shared_a_lost_commit_is_told_so() {
    let options = DatabaseOptions { statement_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let holding = fixture.db.begin().await.expect("the writer is free");
    let db = fixture.db.clone();
    let transaction = tokio::spawn(async move {
        let mut tx = db.begin().await?;
        tx.execute(INSERT, params![1]).await?;
        tx.commit().await
    });
    tokio::task::yield_now().await;
    let endless = write(&fixture.db, ENDLESS_INSERT, 3);
    tokio::task::yield_now().await;
    drop(holding);
    let result = transaction.await.expect("no panic");
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    endless.await.expect("no panic").expect_err("never ends");
    assert!(fixture.ids().await.is_empty(), "what was refused is not there");
}

#[tokio::test]
async fn a_deferred_constraint_costs_only_the_write_that_broke_it() {
    let fixture = Fixture::new().await;
    let table = "CREATE TABLE replies (id bigint PRIMARY KEY, note bigint \
                 REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)";
    fixture.db.execute(table, params![]).await.expect("is created");
    let orphan = "INSERT INTO replies (id, note) VALUES ($1, 77)";
    let results = in_one_group(&fixture.db, [(INSERT, 1), (orphan, 2), (INSERT, 3)]).await;
    assert!(matches!(&results[1], Err(e) if e.violates("foreign_key")), "{results:?}");
    assert!(matches!((&results[0], &results[2]), (Ok(1), Ok(1))), "{results:?}");
    assert_eq!(fixture.ids().await, [1, 3]);
}

#[tokio::test]
async fn a_write_is_on_disk_when_it_is_answered() {
    let fixture = Fixture::new().await;
    let copies = tempdir().expect("a temporary folder");
    let writing: Vec<_> = (0..64_i64)
        .map(|id| {
            let db = fixture.db.clone();
            let (from, to) =
                (fixture.folder.path().join("app.db"), copies.path().join(id.to_string()));
            tokio::spawn(async move {
                add(&db, id).await.expect("the id is new");
                // What a crash at this moment would leave. Nothing is moved from the log into the
                // file below a thousand pages.
                for suffix in ["", "-wal"] {
                    let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
                    fs::copy(name(&from), name(&to)).expect("is copied");
                }
            })
        })
        .collect();
    for task in writing {
        task.await.expect("was answered and copied");
    }
    for id in 0..64 {
        let copy = open(&copies, &id.to_string(), &DatabaseOptions::default()).await;
        assert!(ids(&copy).await.contains(&id), "{id} was answered and is not on disk");
        copy.close().await;
    }
}

#[tokio::test]
async fn a_caller_that_left_the_queue_writes_nothing() {
    let fixture = Fixture::new().await;
    let holding = fixture.db.begin().await.expect("the writer is free");
    let gone = write(&fixture.db, INSERT, 1);
    let stays = write(&fixture.db, INSERT, 2);
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.expect_err("was aborted").is_cancelled());
    drop(holding);
    stays.await.expect("no panic").expect("the id is new");
    assert_eq!(fixture.ids().await, [2]);
}

#[tokio::test]
async fn a_full_queue_refuses_writes_at_once() {
    let options = DatabaseOptions { write_queue_max: 2, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let results = in_one_group(&fixture.db, (0..4).map(|id| (INSERT, id))).await;
    let refused = results.iter().filter(|r| matches!(r, Err(StoreError::Overloaded(_)))).count();
    assert_eq!(refused, 2, "{results:?}");
    assert_eq!(fixture.ids().await, [0, 1]);
}
