//! From a file to a server: every row, once, whatever it refers to, and nothing overwritten.

use std::time::{Duration, Instant};

use mainstay_core::Timestamp;
use mainstay_store::{
    Database, DatabaseOptions, Migration, Migrations, PromoteError, PromoteProgress, PromotedTable,
    Value, params,
};
use mainstay_test_databases::{Engine, TestDatabase};
use uuid::Uuid;

use super::{
    fixture::{Fixture, open},
    vanishing::Dice,
};
use crate::sqlite::memory;

/// The child's name comes first, and tables are copied in the order of their names.
const SCHEMA: Migrations = Migrations::new(&[
    Migration::new(
        "0001_parents.sql",
        "CREATE TABLE parents (id uuid NOT NULL PRIMARY KEY, name text, age bigint, size double \
         precision, ok boolean, at timestamptz, raw bytea, doc jsonb);
         INSERT INTO parents (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'seed')",
    ),
    Migration::new(
        "0002_children.sql",
        "CREATE TABLE children (id bigint PRIMARY KEY, parent_id uuid NOT NULL REFERENCES parents)",
    ),
]);

/// Rows of the larger table: more than two batches.
const PARENTS: i64 = 1200;

async fn source() -> Database {
    let db = memory().await;
    db.migrate(SCHEMA).up().await.expect("is applied");
    db.execute("DELETE FROM parents", params![]).await.expect("is emptied");
    let mut tx = db.begin().await.expect("begins");
    for n in 0..PARENTS {
        let id = Uuid::from_u128(n as u128);
        let time = Timestamp::from_microsecond(n * 1_000_003).expect("in range");
        let name = (n % 3 > 0).then(|| format!("o'{n}\\ \"é\u{1F600}\n"));
        let doc = serde_json::json!({ "n": n, "list": [null, 0.1] });
        let cells = params![
            id,
            name,
            i64::MAX - n,
            n as f64 / 3.0,
            n % 2 == 0,
            time,
            n.to_be_bytes().to_vec(),
            doc
        ];
        let sql = "INSERT INTO parents VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        tx.execute(sql, cells).await.expect("is written");
        let sql = "INSERT INTO children VALUES ($1, $2)";
        tx.execute(sql, params![n, id]).await.expect("is written");
    }
    tx.commit().await.expect("is kept");
    db
}

/// An empty database on the server.
async fn target() -> (Fixture, Database) {
    let fixture = Fixture::new().await;
    fixture.db.execute("DROP TABLE notes", params![]).await.expect("is dropped");
    let db = open(&fixture.url, DatabaseOptions::default()).await;
    (fixture, db)
}

fn why(result: Result<Vec<PromotedTable>, PromoteError>) -> String {
    match result {
        Err(PromoteError::Refused(explained)) => explained.why,
        other => panic!("was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn every_row_arrives_once_also_when_it_was_interrupted() {
    let (_fixture, target) = target().await;
    let source = source().await;
    let (from, to) = (source.clone(), target.clone());
    let killed = tokio::spawn(async move {
        let kill = |progress: PromoteProgress| assert!(progress.done < 1000, "is killed here");
        from.promote(&to, SCHEMA, kill).await.map(drop).map_err(drop)
    });
    killed.await.expect_err("was killed in the middle");
    let there = "SELECT count(*) FROM children WHERE parent_id NOT IN (SELECT id FROM parents)";
    let (there,): (i64,) = target.query_one(there, params![]).await.expect("is read");
    assert_eq!(there, 1000, "whole batches, before what they refer to");

    let mut seen = Vec::new();
    let promoted = source.promote(&target, SCHEMA, |progress| seen.push(progress)).await;
    let rows = PARENTS.unsigned_abs();
    let table = |name: &str| PromotedTable { name: name.to_owned(), rows };
    assert_eq!(promoted.expect("is promoted"), [table("children"), table("parents")]);
    assert_eq!((seen[0].done, seen[0].total), (rows, 2 * rows), "it went on where it stopped");
    assert_eq!(seen.last().map(|progress| progress.done), Some(2 * rows));
    let cells = "SELECT name, size, doc->>'n', at FROM parents WHERE id = $1";
    let id = params![Uuid::from_u128(7)];
    let (name, size, n, time): (String, f64, String, Timestamp) =
        target.query_one(cells, id).await.expect("is read");
    assert_eq!((name.as_str(), size, n.as_str()), ("o'7\\ \"é\u{1F600}\n", 7.0 / 3.0, "7"));
    assert_eq!(time.as_microsecond(), 7_000_021);

    let again = source.promote(&target, SCHEMA, |_| {}).await;
    assert!(why(again).contains("the target is not empty: children has rows"));
    target.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_dropped_at_any_moment_and_run_again_arrives() {
    let (fixture, target) = target().await;
    let source = source().await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // More often than there are steps in it; sooner or later it may well arrive before it is told
    // to stop.
    let mut arrived = Ok(vec![]);
    for _ in 0..60 {
        let patience = Duration::from_millis(dice.below(100));
        let promoting = source.promote(&target, SCHEMA, |_| {});
        if let Ok(result) = tokio::time::timeout(patience, promoting).await {
            arrived = result;
            break;
        }
    }
    if arrived.as_ref().is_ok_and(Vec::is_empty) {
        arrived = source.promote(&target, SCHEMA, |_| {}).await;
    }
    let arrived: Vec<_> = arrived.expect("is promoted").iter().map(|table| table.rows).collect();
    assert_eq!(arrived, [PARENTS.unsigned_abs(); 2]);
    let begun = Instant::now();
    let mine = "application_name <> '' AND state LIKE 'idle in transaction%'";
    while fixture.sessions(mine).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(2), "a transaction is left open");
    }
    target.close().await;
    fixture.db.close().await;
    let begun = Instant::now();
    while fixture.sessions("true").await > 2 {
        assert!(begun.elapsed() < Duration::from_secs(2), "a connection is left open");
    }
}

#[tokio::test]
async fn what_does_not_fit_or_differs_is_said() {
    let (_fixture, target) = target().await;
    let behind = memory().await;
    assert!(why(behind.promote(&target, SCHEMA, |_| {}).await).contains("is behind"));
    let same = memory().await;
    assert!(why(same.promote(&behind, SCHEMA, |_| {}).await).contains("from SQLite to PostgreSQL"));

    let source = source().await;
    let sql = "UPDATE children SET id = id WHERE id = $1";
    source.execute(sql, params![1_i64]).await.expect("is written");
    let broken = "INSERT INTO parents (id, age) VALUES ($1, $2)";
    let cells = params![Uuid::from_u128(9999), Value::Text("old".to_owned())];
    source.execute(broken, cells).await.expect("SQLite takes anything");
    let refused = why(source.promote(&target, SCHEMA, |_| {}).await);
    assert_eq!(refused, "parents.age of a row is no Integer");
    let remove = "DELETE FROM parents WHERE id = $1";
    source.execute(remove, params![Uuid::from_u128(9999)]).await.expect("is removed");
    // Somebody writes to what has been copied already.
    let late = "UPDATE parents SET age = 0 WHERE id = $1";
    source.execute(late, params![Uuid::from_u128(3)]).await.expect("is written");
    let differs = why(source.promote(&target, SCHEMA, |_| {}).await);
    assert!(differs.starts_with("parents differs: 1200 rows here, 1200 there"), "{differs}");
    target.close().await;
}

/// Everybody has the next as boss, but the last; everybody leads a team and is in it.
const STAFF: Migrations = Migrations::new(&[
    Migration::new(
        "0001_staff.sqlite.sql",
        "CREATE TABLE people (id bigint PRIMARY KEY, boss_id bigint REFERENCES people,
             team_id bigint REFERENCES teams ON DELETE CASCADE);
         CREATE TABLE teams (id bigint PRIMARY KEY, lead_id bigint NOT NULL REFERENCES people)",
    ),
    Migration::new(
        "0001_staff.postgres.sql",
        "CREATE TABLE people (id bigint PRIMARY KEY, boss_id bigint REFERENCES people,
             team_id bigint);
         CREATE TABLE teams (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             lead_id bigint NOT NULL REFERENCES people);
         ALTER TABLE people ADD CONSTRAINT \"the Team\" FOREIGN KEY (team_id) REFERENCES teams
             ON DELETE CASCADE DEFERRABLE",
    ),
]);

const KEYS: &str = "SELECT conname::text || ': ' || pg_get_constraintdef(oid) FROM pg_constraint \
    WHERE contype = 'f' AND convalidated ORDER BY 1";

const STAFF_KEYS: [&str; 3] = [
    "people_boss_id_fkey: FOREIGN KEY (boss_id) REFERENCES people(id)",
    "teams_lead_id_fkey: FOREIGN KEY (lead_id) REFERENCES people(id)",
    "the Team: FOREIGN KEY (team_id) REFERENCES teams(id) ON DELETE CASCADE DEFERRABLE",
];

async fn keys(db: &Database) -> Vec<String> {
    let keys: Vec<(String,)> = db.query(KEYS, params![]).await.expect("is read");
    let mut keys: Vec<_> = keys.into_iter().map(|(key,)| key).collect();
    keys.sort_unstable();
    keys
}

/// A file with so many people.
async fn staff() -> (TestDatabase, Database) {
    let place = TestDatabase::on(Engine::Sqlite);
    let db = open(place.url(), DatabaseOptions::default()).await;
    db.migrate(STAFF).up().await.expect("is applied");
    let mut tx = db.begin().await.expect("begins");
    for id in (0..PARENTS).rev() {
        let boss = Some(id + 1).filter(|boss| *boss < PARENTS);
        let person = "INSERT INTO people (id, boss_id) VALUES ($1, $2)";
        tx.execute(person, params![id, boss]).await.expect("is written");
        tx.execute("INSERT INTO teams VALUES ($1, $1)", params![id]).await.expect("is written");
    }
    tx.execute("UPDATE people SET team_id = id", params![]).await.expect("is written");
    tx.commit().await.expect("is kept");
    (place, db)
}

#[tokio::test]
async fn rows_that_refer_to_later_ones_arrive_also_when_it_was_interrupted_twice() {
    let (fixture, target) = target().await;
    let (_place, source) = staff().await;
    let promote = |until: u64| {
        let (from, to) = (source.clone(), target.clone());
        tokio::spawn(async move {
            let kill = |progress: PromoteProgress| assert!(progress.done < until, "killed here");
            from.promote(&to, STAFF, kill).await
        })
    };
    promote(500).await.expect_err("was killed in the middle");
    assert_eq!(keys(&target).await, [""; 0], "nothing is in the way of the next batch");

    // All rows are there, and the keys have to wait.
    let holder = fixture.place.neighbour();
    holder.run("BEGIN; LOCK TABLE teams IN ROW EXCLUSIVE MODE");
    let promoting = promote(u64::MAX);
    while fixture.sessions("wait_event_type = 'Lock' AND query LIKE 'DO%'").await == 0 {}
    promoting.abort();
    promoting.await.expect_err("was killed at its end");
    holder.run("ROLLBACK");

    let promoted = promote(u64::MAX).await.expect("no panic").expect("is promoted");
    let rows: Vec<_> = promoted.iter().map(|table| (table.name.as_str(), table.rows)).collect();
    let all = PARENTS.unsigned_abs();
    assert_eq!(rows, [("people", all), ("teams", all)]);
    assert_eq!(keys(&target).await, STAFF_KEYS, "as the migrations made them");
    let next = "INSERT INTO teams (lead_id) VALUES (7) RETURNING id";
    let next: Vec<(i64,)> = target.execute_returning(next, params![]).await.expect("is written");
    assert_eq!(next, [(PARENTS,)], "behind those that came");
    let orphan = target.execute("INSERT INTO teams (lead_id) VALUES (-1)", params![]).await;
    assert!(orphan.is_err_and(|error| error.violates("foreign_key")), "are enforced");
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'mainstay_promotion%'";
    assert_eq!(target.query_one::<(i64,)>(left, params![]).await.expect("is read"), (0,));
    target.close().await;
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_is_said() {
    let (_fixture, target) = target().await;
    let (place, source) = staff().await;
    // As an old file may hold one: SQLite looks only while it is told to.
    place.neighbour().run("PRAGMA foreign_keys = off; UPDATE people SET boss_id = -7 WHERE id = 3");
    let refused = why(source.promote(&target, STAFF, |_| {}).await);
    assert!(refused.contains("refers to one that is not there"), "{refused}");
    assert!(refused.contains("\"people_boss_id_fkey\"") && !refused.contains("-7"), "{refused}");
    target.close().await;
}
