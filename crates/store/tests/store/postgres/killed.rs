//! kill -9 in the middle of a migration, and then again, by two processes at once: both come to
//! their end, the schema is whole, and nothing is there twice.

use mainstay_store::{Migration, MigrationState, Migrations, params};

use super::fixture::Fixture;
use crate::process::{Migrating, migrates};

/// The server is at work for the migration for as long as the table says.
const WORK: Migrations = Migrations::new(&[
    Migration::new("0001_one.sql", "CREATE TABLE one (id bigint PRIMARY KEY)"),
    Migration::new(
        "0002_two.sql",
        "CREATE TABLE two (id bigint); INSERT INTO two VALUES (work_for_a_while())",
    ),
    Migration::new("0003_three.sql", "CREATE TABLE three (id bigint)"),
]);

const WORK_FOR_A_WHILE: &str = "CREATE FUNCTION work_for_a_while() RETURNS bigint \
    LANGUAGE plpgsql AS $$ BEGIN \
    WHILE EXISTS (SELECT FROM notes WHERE body = 'work') LOOP PERFORM pg_sleep(0.01); END LOOP; \
    RETURN 1; END $$";

const INDEX: Migrations = Migrations::new(&[
    Migration::new("0001_one.sql", "CREATE TABLE one (id bigint)"),
    Migration::new("0002_i.sql", "CREATE UNIQUE INDEX CONCURRENTLY i ON one (id)"),
    Migration::new("0003_three.sql", "CREATE TABLE three (id bigint)"),
]);
const BEFORE_INDEX: Migrations =
    Migrations::new(&[Migration::new("0001_one.sql", "CREATE TABLE one (id bigint)")]);

const DROP: Migrations = Migrations::new(&[
    Migration::new("0001_one.sql", "CREATE TABLE one (id bigint); CREATE INDEX i ON one (id)"),
    Migration::new("0002_i.sql", "DROP INDEX CONCURRENTLY i"),
]);
const BEFORE_DROP: Migrations = Migrations::new(&[Migration::new(
    "0001_one.sql",
    "CREATE TABLE one (id bigint); CREATE INDEX i ON one (id)",
)]);

/// A session that looks up while it waits is not waiting for that moment, and there all the same.
const BUILDING: &str = "query LIKE 'CREATE UNIQUE INDEX%'";
const BUILDING_AND_WAITING: &str = "wait_event_type = 'Lock' AND query LIKE 'CREATE UNIQUE INDEX%'";
const RECORDING: &str = "query LIKE 'BEGIN; CREATE TABLE IF NOT%'";
const RECORDING_AND_WAITING: &str =
    "wait_event_type = 'Lock' AND query LIKE 'BEGIN; CREATE TABLE IF NOT%'";

impl Fixture {
    async fn run(&self, sql: &'static str) {
        self.outside.execute(sql, params![]).await.expect("is done");
    }

    async fn number(&self, sql: &'static str) -> i64 {
        let (number,) = self.outside.query_one(sql, params![]).await.expect("is counted");
        number
    }

    /// Waits until so many sessions match a condition over `pg_stat_activity`.
    async fn until(&self, sessions: i64, condition: &'static str) {
        while self.sessions(condition).await != sessions {}
    }

    /// Asserts that everything is applied, once, and that nothing is left of how that went.
    async fn has_converged(&self, migrations: Migrations) {
        let reports = self.db.migrate(migrations).status().await.expect("is read");
        let applied = |state| matches!(state, MigrationState::Applied { .. });
        assert!(reports.iter().all(|report| applied(report.state)), "{reports:?}");
        let left = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
            WHERE locktype = 'advisory' AND datname = current_database()";
        assert_eq!(self.number(left).await, 0, "no lock of the migrations is held");
        let left = "SELECT count(*) FROM pg_class WHERE relname = 'mainstay_migration_begun'";
        assert_eq!(self.number(left).await, 0, "nothing is under way");
        let left = "SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready)";
        assert_eq!(self.number(left).await, 0, "no index is half built");
        let again = self.db.migrate(migrations).up().await;
        assert_eq!(again.expect("has nothing to do"), []);
    }
}

#[tokio::test]
async fn a_transaction_is_killed_and_nothing_of_it_is_left() {
    const TEST: &str = "postgres::killed::a_transaction_is_killed_and_nothing_of_it_is_left";
    const WORKING: &str = "state = 'active' AND query LIKE 'CREATE TABLE two%'";
    if migrates(WORK).await {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.run(WORK_FOR_A_WHILE).await;
    fixture.run("INSERT INTO notes VALUES (1, 'work')").await;
    let migrating = Migrating::start(TEST, &fixture.url);
    fixture.until(1, WORKING).await;
    migrating.kill();
    // The server notices, and does not work on for nobody.
    fixture.until(0, WORKING).await;
    let there = "SELECT count(*) FROM pg_class WHERE relname IN ('one', 'two')";
    assert_eq!(fixture.number(there).await, 1, "the first migration is kept, nothing of the next");
    let both = [(); 2].map(|()| Migrating::start(TEST, &fixture.url));
    fixture.until(1, WORKING).await;
    fixture.until(1, "wait_event_type = 'Lock' AND wait_event = 'advisory'").await;
    fixture.run("DELETE FROM notes").await;
    both.into_iter().for_each(Migrating::succeeds);
    assert_eq!(fixture.number("SELECT count(*) FROM two").await, 1);
    fixture.has_converged(WORK).await;
}

#[tokio::test]
async fn a_half_built_index_is_dropped_and_built() {
    const TEST: &str = "postgres::killed::a_half_built_index_is_dropped_and_built";
    if migrates(INDEX).await {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.db.migrate(BEFORE_INDEX).up().await.expect("is applied");
    let writer = fixture.place.neighbour();
    writer.run("BEGIN; INSERT INTO one VALUES (1)");
    let migrating = Migrating::start(TEST, &fixture.url);
    fixture.until(1, BUILDING_AND_WAITING).await;
    migrating.kill();
    fixture.until(0, BUILDING).await;
    let invalid = "SELECT count(*) FROM pg_index \
        WHERE indexrelid = to_regclass('i') AND NOT indisvalid";
    assert_eq!(fixture.number(invalid).await, 1, "it was in the middle");
    let both = [(); 2].map(|()| Migrating::start(TEST, &fixture.url));
    fixture.until(1, "wait_event_type = 'Lock' AND query LIKE 'DROP INDEX%'").await;
    // The other asks again and again.
    fixture.until(1, "query LIKE 'SELECT 1 WHERE pg_try_advisory_lock%' AND state = 'idle'").await;
    writer.run("COMMIT");
    both.into_iter().for_each(Migrating::succeeds);
    fixture.has_converged(INDEX).await;
    let refused = fixture.outside.execute("INSERT INTO one VALUES (1)", params![]).await;
    assert!(refused.is_err_and(|error| error.violates("i")), "the index is the one of the file");
}

/// Lets a process do a statement outside a transaction, and kills it before that is recorded.
async fn kill_before_it_is_recorded(fixture: &Fixture, test: &str) {
    let holder = fixture.place.neighbour();
    holder.run("BEGIN; LOCK TABLE mainstay_migrations IN SHARE MODE");
    let migrating = Migrating::start(test, &fixture.url);
    fixture.until(1, RECORDING_AND_WAITING).await;
    migrating.kill();
    fixture.until(0, RECORDING).await;
    holder.run("ROLLBACK");
    let recorded = "SELECT count(*) FROM mainstay_migrations";
    assert_eq!(fixture.number(recorded).await, 1, "it was in the middle");
    let both = [(); 2].map(|()| Migrating::start(test, &fixture.url));
    both.into_iter().for_each(Migrating::succeeds);
}

#[tokio::test]
async fn an_index_that_was_built_and_not_recorded_is_kept() {
    const TEST: &str = "postgres::killed::an_index_that_was_built_and_not_recorded_is_kept";
    if migrates(INDEX).await {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.db.migrate(BEFORE_INDEX).up().await.expect("is applied");
    kill_before_it_is_recorded(&fixture, TEST).await;
    fixture.has_converged(INDEX).await;
    assert_eq!(fixture.number("SELECT count(*) FROM pg_class WHERE relname = 'i'").await, 1);
}

#[tokio::test]
async fn an_index_that_was_dropped_and_not_recorded_stays_dropped() {
    const TEST: &str = "postgres::killed::an_index_that_was_dropped_and_not_recorded_stays_dropped";
    if migrates(DROP).await {
        return;
    }
    let fixture = Fixture::new().await;
    fixture.db.migrate(BEFORE_DROP).up().await.expect("is applied");
    kill_before_it_is_recorded(&fixture, TEST).await;
    fixture.has_converged(DROP).await;
    assert_eq!(fixture.number("SELECT count(*) FROM pg_class WHERE relname = 'i'").await, 0);
}

#[tokio::test]
async fn an_index_of_somebody_else_is_never_taken_for_ours() {
    let fixture = Fixture::new().await;
    fixture.db.migrate(BEFORE_INDEX).up().await.expect("is applied");
    fixture.run("CREATE INDEX i ON notes (body)").await;
    for _ in 0..2 {
        let refused = fixture.db.migrate(INDEX).up().await.expect_err("is refused").to_string();
        assert!(refused.contains("relation \"i\" already exists"), "{refused}");
    }
    let kept = "SELECT count(*) FROM pg_index WHERE indrelid = 'notes'::regclass";
    assert_eq!(fixture.number(kept).await, 2, "its key, and what somebody else has made");
    fixture.run("DROP INDEX i").await;
    assert_eq!(fixture.db.migrate(INDEX).up().await.expect("is applied").len(), 2);
    fixture.has_converged(INDEX).await;
}
