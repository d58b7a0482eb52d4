//! Migrations on PostgreSQL: once each, all or nothing, and patient.

use mainstay_store::{DatabaseOptions, Migration, MigrationState, Migrations, migrations, params};

use super::fixture::{Fixture, open};
use crate::fixture::SHORT;

const EMBEDDED: Migrations = migrations!(
    "../migrations/0001_users.sql",
    "../migrations/0002_search.sqlite.sql",
    "../migrations/0002_search.postgres.sql",
);

const ONE: Migration = Migration::new("0001_one.sql", "CREATE TABLE one (id bigint PRIMARY KEY)");
const TWO: Migration = Migration::new("0002_two.sql", "CREATE TABLE two (id bigint)");

async fn explained(db: &mainstay_store::Database, migrations: Migrations) -> String {
    db.migrate(migrations).up().await.expect_err("is refused").to_string()
}

#[tokio::test]
async fn pending_migrations_are_applied_and_remembered() {
    let fixture = Fixture::new().await;
    let migrator = fixture.db.migrate(EMBEDDED);
    assert_eq!(migrator.plan().await.expect("can be planned").len(), 2);
    let applied = migrator.up().await.expect("is applied");
    assert_eq!(migrator.status().await.expect("is read"), applied_exactly(&applied));
    assert_eq!(migrator.up().await.expect("has nothing to do"), []);
    let (name,): (String,) = fixture
        .db
        .query_one("SELECT name FROM mainstay_migrations WHERE number = 2", params![])
        .await
        .expect("is read");
    assert_eq!(name, "search");
}

/// What the table keeps: times to the microsecond.
fn applied_exactly(
    reports: &[mainstay_store::MigrationReport],
) -> Vec<mainstay_store::MigrationReport> {
    let mut reports = reports.to_vec();
    for report in &mut reports {
        if let MigrationState::Applied { at } = &mut report.state {
            let micros = at.as_nanosecond() / 1000;
            *at = mainstay_core::Timestamp::from_microsecond(micros as i64).expect("in range");
        }
    }
    reports
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_and_keeps_those_before_it() {
    const BROKEN: Migrations = Migrations::new(&[
        ONE,
        Migration::new(
            "0002_two.sql",
            "CREATE TABLE two (id bigint); INSERT INTO one VALUES (1), (1)",
        ),
    ]);
    const COMMITS: Migrations = Migrations::new(&[
        ONE,
        Migration::new("0002_two.sql", "CREATE TABLE two (id bigint); -- a\n COMMIT; SELECT 1"),
    ]);
    let fixture = Fixture::new().await;
    let refused = explained(&fixture.db, BROKEN).await;
    assert!(refused.starts_with("migration 0002_two was not applied"), "{refused}");
    let refused = explained(&fixture.db, COMMITS).await;
    assert!(refused.contains("opens or ends a transaction"), "{refused}");
    let applied = fixture.db.migrate(Migrations::new(&[ONE, TWO])).up().await.expect("applied");
    assert_eq!(applied.iter().map(|r| r.number).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_start_at_once_apply_each_migration_once() {
    const ALL: Migrations = Migrations::new(&[ONE, TWO]);
    let fixture = Fixture::new().await;
    let other = open(&fixture.url, DatabaseOptions::default()).await;
    let (one, two) = (fixture.db.migrate(ALL), other.migrate(ALL));
    let (one, two) = tokio::join!(one.up(), two.up());
    assert_eq!(one.expect("is applied").len() + two.expect("is applied").len(), 2);
    other.close().await;
}

#[tokio::test]
async fn a_table_in_use_is_waited_for_without_stopping_others() {
    const ALTER: Migrations = Migrations::new(&[Migration::new(
        "0001_alter.sql",
        "ALTER TABLE notes ADD COLUMN extra bigint",
    )]);
    let fixture = Fixture::new().await;
    let mut tx = fixture.outside.begin().await.expect("begins");
    tx.query::<()>("SELECT id FROM notes", params![]).await.expect("holds a lock");
    let db = fixture.db.clone();
    let migrating = tokio::spawn(async move { db.migrate(ALTER).up().await });
    // The lock is asked for, given up, and asked for again.
    let waiting = "wait_event_type = 'Lock' AND query LIKE 'ALTER%'";
    while fixture.sessions(waiting).await == 0 {}
    while fixture.sessions(waiting).await == 1 {}
    let read =
        tokio::time::timeout(SHORT * 5, fixture.db.query::<()>("SELECT id FROM notes", params![]));
    read.await.expect("is not held up").expect("is read");
    tx.rollback().await.expect("the lock is given back");
    assert_eq!(migrating.await.expect("no panic").expect("is applied").len(), 1);
}

#[tokio::test]
async fn an_index_is_built_beside_writers_also_after_a_crash_in_the_middle() {
    const PLAIN: Migrations =
        Migrations::new(&[ONE, Migration::new("0002_i.sql", "CREATE INDEX i ON one (id)")]);
    const INDEX: Migrations = Migrations::new(&[
        ONE,
        Migration::new("0002_i.sql", "CREATE UNIQUE INDEX CONCURRENTLY i ON one (id)"),
    ]);
    let fixture = Fixture::new().await;
    fixture.db.migrate(Migrations::new(&[ONE])).up().await.expect("is applied");
    let refused = explained(&fixture.db, PLAIN).await;
    assert!(refused.contains("create-index") && refused.contains("CONCURRENTLY"), "{refused}");
    let half_built = "CREATE INDEX i ON one (id)";
    fixture.db.execute(half_built, params![]).await.expect("is built");
    let break_it = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass";
    fixture.db.execute(break_it, params![]).await.expect("is as a crash leaves it");
    let applied = fixture.db.migrate(INDEX).up().await.expect("is applied");
    assert_eq!(applied.iter().map(|r| r.number).collect::<Vec<_>>(), [2]);
    let valid = "SELECT indisvalid AND indisunique FROM pg_index WHERE indexrelid = 'i'::regclass";
    let (valid,): (bool,) = fixture.db.query_one(valid, params![]).await.expect("is read");
    assert!(valid);
    assert_eq!(fixture.db.migrate(INDEX).up().await.expect("has nothing to do"), []);
}
