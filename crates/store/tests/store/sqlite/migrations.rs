//! A table that SQLite cannot change is rebuilt, and there is one writer.

use mainstay_store::{DatabaseOptions, MigrateError, Migration, Migrations, params};
use rusqlite::Connection;

use super::fixture::{Fixture, SHORT, memory};

fn explained(result: Result<impl Sized, MigrateError>) -> String {
    result.err().expect("is refused").to_string()
}

#[tokio::test]
async fn a_table_can_be_rebuilt_and_references_are_checked_at_the_end() {
    const TABLES: Migration = Migration::new(
        "0001_tables.sql",
        "CREATE TABLE parent (id bigint PRIMARY KEY);
         CREATE TABLE child (id bigint, parent bigint REFERENCES parent (id) ON DELETE CASCADE);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)",
    );
    const REBUILD: Migration = Migration::new(
        "0002_rebuild.sql",
        "CREATE TABLE parent_new (id bigint PRIMARY KEY, name text);
         INSERT INTO parent_new (id) SELECT id FROM parent;
         DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent",
    );
    const ORPHAN: Migration = Migration::new("0003_orphan.sql", "DELETE FROM parent");
    const REBUILT: Migrations = Migrations::new(&[TABLES, REBUILD]);
    const ORPHANED: Migrations = Migrations::new(&[TABLES, REBUILD, ORPHAN]);
    let db = memory().await;
    db.migrate(REBUILT).up().await.expect("is applied");
    let children = "SELECT count(*) FROM child";
    assert_eq!(db.query_one::<(i64,)>(children, params![]).await.expect("is read"), (1,));
    let refused = explained(db.migrate(ORPHANED).up().await);
    assert!(refused.contains("rows of child that refer to no row of parent"), "{refused}");
    let orphan = db.execute("INSERT INTO child VALUES (2, 9)", params![]).await;
    assert!(
        matches!(&orphan, Err(error) if error.violates("foreign_key")),
        "references are enforced again: {orphan:?}"
    );
}

#[tokio::test]
async fn another_process_that_migrates_is_named_when_it_takes_too_long() {
    const ONE: Migrations =
        Migrations::new(&[Migration::new("0001_one.sql", "CREATE TABLE one (id bigint)")]);
    let options = DatabaseOptions { busy_timeout: SHORT, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let other = Connection::open(fixture.folder.path().join("app.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (id bigint)").expect("is locked");
    let refused = explained(fixture.db.migrate(ONE).up().await);
    assert!(refused.contains("another process is writing"), "{refused}");
    other.execute_batch("COMMIT").expect("is kept");
    assert_eq!(fixture.db.migrate(ONE).up().await.expect("is applied").len(), 1);
}
