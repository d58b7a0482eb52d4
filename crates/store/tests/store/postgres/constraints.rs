//! A deferred constraint has the name that others have, and no error tells a value.

use std::error::Error;

use mainstay_store::{StoreError, params};

use super::fixture::Fixture;

/// The other kinds are tested on both engines.
#[tokio::test]
async fn a_deferred_constraint_has_its_portable_name() {
    let fixture = Fixture::new().await;
    let db = &fixture.db;
    let table = "CREATE TABLE late (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    db.execute(table, params![]).await.expect("the table is created");
    db.execute("INSERT INTO late VALUES (1)", params![]).await.expect("is new");
    // Refused only when the transaction around the statement ends.
    let again = [
        ("INSERT INTO late VALUES (1)", params![]),
        ("INSERT INTO late VALUES ($1)", params![1_i64]),
    ];
    for (sql, params) in again {
        let error = db.execute(sql, params).await.expect_err(sql);
        assert!(error.violates("late_id_key"), "{sql}: {error:?}");
    }
    let changed = db.execute("UPDATE late SET id = 2", params![]).await;
    assert_eq!(changed.expect("neighbours of an error are well"), 1);
    assert_eq!(db.execute("SELECT 1", params![]).await.expect("is run"), 0, "nothing changed");
}

#[tokio::test]
async fn no_bound_value_reaches_an_error() {
    let fixture = Fixture::new().await;
    let secret = "correct-horse";
    for sql in [
        "SELECT $1::text::uuid",
        "SELECT $1::text::jsonb",
        "SELECT $1::uuid",
        "SELECT nothing($1::text)",
        "INSERT INTO notes (id, body) VALUES (1, repeat($1, 50)) RETURNING id",
        "INSERT INTO notes (id, body) VALUES (NULL, $1) RETURNING id",
        "SELECT format($1, 1)::date",
    ] {
        let error = fixture.db.execute_returning::<()>(sql, params![secret]).await.expect_err(sql);
        let cause = error.source().expect("a cause");
        let shown = format!("{error} {error:?} {cause} {cause:?} {:?}", cause.source());
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains("SELECT") || shown.contains("INSERT"), "{shown}");
    }
}

#[tokio::test]
async fn what_would_change_a_shared_connection_is_refused() {
    let fixture = Fixture::new().await;
    for sql in ["BEGIN", "COMMIT", "SET search_path = x", "COPY notes TO STDOUT", "DISCARD ALL"] {
        let error = fixture.db.execute(sql, params![]).await.expect_err(sql);
        assert!(matches!(error, StoreError::Internal(_)), "{sql}: {error:?}");
    }
    let delete = fixture.db.query::<()>("DELETE FROM notes", params![]).await;
    assert!(matches!(delete, Err(StoreError::Internal(_))), "{delete:?}");
    let mut tx = fixture.db.begin().await.expect("begins");
    tx.execute("SET LOCAL work_mem = '1MB'", params![]).await.expect("ends with it");
    tx.execute("COMMIT", params![]).await.expect_err("has a function of its own");
    tx.commit().await.expect_err("a statement has failed");
}
