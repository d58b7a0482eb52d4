//! Migrations: every state of the history, and what happens next.

use mainstay_store::{
    Database, DatabaseOptions, Engine, MigrateError, Migration, MigrationState, Migrations,
    StoreError, migrations, params,
};

use crate::fixture::{Fixture, empty, open};

const EMBEDDED: Migrations = migrations!(
    "migrations/0001_users.sql",
    "migrations/0002_search.sqlite.sql",
    "migrations/0002_search.postgres.sql",
);

const ONE: Migration = Migration::new("0001_one.sql", "CREATE TABLE one (id bigint PRIMARY KEY)");
const TWO: Migration = Migration::new("0002_two.sql", "CREATE TABLE two (id bigint)");
const THREE: Migration = Migration::new("0003_three.sql", "CREATE TABLE three (id bigint)");

async fn states(db: &Database, migrations: Migrations) -> Vec<(u32, String, &'static str)> {
    let reports = db.migrate(migrations).status().await.expect("the history is read");
    let state = |state| match state {
        MigrationState::Applied { .. } => "applied",
        MigrationState::Pending => "pending",
        MigrationState::Changed { .. } => "changed",
        MigrationState::Missing { .. } => "missing",
    };
    reports.into_iter().map(|r| (r.number, r.name, state(r.state))).collect()
}

fn explained(result: Result<impl Sized, MigrateError>) -> String {
    result.err().expect("is refused").to_string()
}

#[tokio::test]
async fn pending_migrations_are_planned_applied_and_remembered() {
    let db = empty().await;
    let names = |state| [(1, "users".to_owned(), state), (2, "search".to_owned(), state)];
    assert_eq!(states(&db, EMBEDDED).await, names("pending"));
    let plan = db.migrate(EMBEDDED).plan().await.expect("can be planned");
    assert_eq!(plan.len(), 2);
    let own = match db.engine() {
        Engine::Sqlite => "NOCASE",
        Engine::Postgres => "lower(email)",
    };
    assert!(plan[1].sql.contains(own), "the variant of the engine is planned");
    assert_eq!(states(&db, EMBEDDED).await, names("pending"), "looking changes nothing");
    let applied = db.migrate(EMBEDDED).up().await.expect("is applied");
    assert_eq!(applied.len(), 2);
    assert_eq!(applied[0].checksum.len(), 64);
    assert_eq!(states(&db, EMBEDDED).await, names("applied"));
    assert_eq!(db.migrate(EMBEDDED).up().await.expect("has nothing to do"), []);
    assert_eq!(db.migrate(EMBEDDED).plan().await.expect("has nothing to do"), []);
}

#[tokio::test]
async fn a_changed_file_is_refused_before_anything_is_applied() {
    const BEFORE: Migrations = Migrations::new(&[ONE]);
    const AFTER: Migrations = Migrations::new(&[
        Migration::new("0001_one.sql", "CREATE TABLE one (id bigint, extra text)"),
        TWO,
    ]);
    let db = empty().await;
    db.migrate(BEFORE).up().await.expect("is applied");
    assert_eq!(
        states(&db, AFTER).await,
        [(1, "one".to_owned(), "changed"), (2, "two".to_owned(), "pending")]
    );
    assert_eq!(
        explained(db.migrate(AFTER).up().await),
        "migration 0001_one does not match the database: its file is not the one that was applied. \
         Restore the file and put the change into a new migration."
    );
    assert_eq!(explained(db.migrate(AFTER).plan().await), explained(db.migrate(AFTER).up().await));
    assert_eq!(states(&db, BEFORE).await, [(1, "one".to_owned(), "applied")]);
}

#[tokio::test]
async fn other_line_ends_are_not_a_change() {
    const UNIX: Migrations =
        Migrations::new(&[Migration::new("0001_t.sql", "CREATE TABLE t (\n  id bigint\n)")]);
    const WINDOWS: Migrations =
        Migrations::new(&[Migration::new("0001_t.sql", "CREATE TABLE t (\r\n  id bigint\r\n)")]);
    let db = empty().await;
    db.migrate(UNIX).up().await.expect("is applied");
    assert_eq!(states(&db, WINDOWS).await, [(1, "t".to_owned(), "applied")]);
}

#[tokio::test]
async fn a_database_newer_than_the_binary_is_refused() {
    const NEW: Migrations = Migrations::new(&[ONE, TWO]);
    const OLD: Migrations = Migrations::new(&[ONE]);
    let db = empty().await;
    db.migrate(NEW).up().await.expect("is applied");
    assert_eq!(
        states(&db, OLD).await,
        [(1, "one".to_owned(), "applied"), (2, "two".to_owned(), "missing")]
    );
    let refused = explained(db.migrate(OLD).up().await);
    assert!(refused.contains("0002_two") && refused.contains("newer version"), "{refused}");
}

#[tokio::test]
async fn a_lost_record_is_noticed() {
    const ALL: Migrations = Migrations::new(&[ONE, TWO, THREE]);
    let db = empty().await;
    db.migrate(ALL).up().await.expect("is applied");
    let forget = "DELETE FROM mainstay_migrations WHERE number = 2";
    db.execute(forget, params![]).await.expect("is deleted");
    let refused = explained(db.migrate(ALL).up().await);
    assert!(
        refused.contains("0003_three") && refused.contains("before migration 0002"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_and_keeps_those_before_it() {
    const BROKEN: Migrations = Migrations::new(&[
        ONE,
        Migration::new(
            "0002_two.sql",
            "CREATE TABLE two (id bigint);
             INSERT INTO one VALUES (1); INSERT INTO one VALUES (1)",
        ),
        THREE,
    ]);
    const FIXED: Migrations = Migrations::new(&[ONE, TWO, THREE]);
    let db = empty().await;
    let refused = explained(db.migrate(BROKEN).up().await);
    assert!(refused.starts_with("migration 0002_two was not applied"), "{refused}");
    let count: (i64,) = db.query_one("SELECT count(*) FROM one", params![]).await.expect("is read");
    assert_eq!(count, (0,));
    let applied = db.migrate(FIXED).up().await.expect("is applied");
    assert_eq!(applied.iter().map(|r| r.number).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_migration_cannot_end_its_transaction() {
    const COMMITS: Migrations = Migrations::new(&[
        ONE,
        Migration::new(
            "0002_two.sql",
            "CREATE TABLE two (id bigint); -- now\nCOMMIT; CREATE TABLE three (id bigint)",
        ),
    ]);
    let db = empty().await;
    let refused = explained(db.migrate(COMMITS).up().await);
    assert!(refused.contains("opens or ends a transaction"), "{refused}");
    for table in ["SELECT count(*) FROM two", "SELECT count(*) FROM three"] {
        db.query_one::<(i64,)>(table, params![]).await.expect_err("nothing of it was kept");
    }
    db.begin().await.expect("the writer is well").commit().await.expect("is committed");
}

#[tokio::test]
async fn an_engine_that_was_left_out_is_named() {
    const POSTGRES_ONLY: Migrations =
        Migrations::new(&[Migration::new("0001_x.postgres.sql", "CREATE EXTENSION x")]);
    const SQLITE_ONLY: Migrations =
        Migrations::new(&[Migration::new("0001_x.sqlite.sql", "PRAGMA x")]);
    let db = empty().await;
    let (migrations, missing) = match db.engine() {
        Engine::Sqlite => (POSTGRES_ONLY, "Add 0001_x.sqlite.sql"),
        Engine::Postgres => (SQLITE_ONLY, "Add 0001_x.postgres.sql"),
    };
    let refused = explained(db.migrate(migrations).up().await);
    assert!(refused.contains(missing), "{refused}");
    assert_eq!(explained(db.migrate(migrations).plan().await), refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_start_at_once_apply_each_migration_once() {
    const ALL: Migrations = Migrations::new(&[ONE, TWO, THREE]);
    for _ in 0..10 {
        let fixture = Fixture::new().await;
        let other = open(&fixture.place, &DatabaseOptions::default()).await;
        let (one, two) = (fixture.db.migrate(ALL), other.migrate(ALL));
        let (one, two) = tokio::join!(one.up(), two.up());
        let applied = one.expect("is applied").len() + two.expect("is applied").len();
        assert_eq!(applied, 3);
    }
}

#[tokio::test]
async fn a_closed_database_is_no_migration_failure() {
    let db = empty().await;
    db.close().await;
    let refused = db.migrate(EMBEDDED).up().await;
    assert!(matches!(refused, Err(MigrateError::Store(StoreError::Unavailable(_)))), "{refused:?}");
}
