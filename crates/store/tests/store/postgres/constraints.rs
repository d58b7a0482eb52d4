//! A constraint has the same name as on the embedded engine, and no error tells a value.

use std::error::Error;

use mainstay_store::{StoreError, Value, params};

use super::fixture::Fixture;

const SCHEMA: [&str; 5] = [
    "CREATE TABLE users (
        id uuid PRIMARY KEY,
        email text NOT NULL,
        tenant bigint NOT NULL DEFAULT 1,
        nick text UNIQUE,
        slug text,
        age integer CONSTRAINT age_is_positive CHECK (age > 0),
        UNIQUE (tenant, nick)
    )",
    "CREATE UNIQUE INDEX users_email_key ON users (email)",
    "CREATE UNIQUE INDEX users_slug_key ON users (lower(slug))",
    "CREATE TABLE sessions (id bigint PRIMARY KEY, user_id uuid NOT NULL REFERENCES users (id))",
    "CREATE TABLE late (id bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)",
];

#[tokio::test]
async fn each_kind_of_constraint_has_its_portable_name() {
    let Some(fixture) = Fixture::new().await else { return };
    let db = &fixture.db;
    for sql in SCHEMA {
        db.execute(sql, params![]).await.expect(sql);
    }
    let (ada, bob) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    let insert = "INSERT INTO users (id, email, nick, slug) VALUES ($1, 'ada', 'ada', 'a')";
    db.execute(insert, params![ada]).await.expect("ada is new");
    db.execute("INSERT INTO late VALUES (1)", params![]).await.expect("is new");
    let cases: [(&str, Vec<Value>, &str); 9] = [
        ("INSERT INTO users (id, email) VALUES ($1, 'n')", params![ada], "users_pkey"),
        ("INSERT INTO users (id, email) VALUES ($1, 'ada')", params![bob], "users_email_key"),
        (
            "INSERT INTO users (id, email, nick, tenant) VALUES ($1, 'n', 'ada', 2)",
            params![bob],
            "users_nick_key",
        ),
        (
            "INSERT INTO users (id, email, slug) VALUES ($1, 'n', 'A')",
            params![bob],
            "users_slug_key",
        ),
        ("INSERT INTO users (id, email) VALUES ($1, NULL)", params![bob], "users_email_not_null"),
        ("INSERT INTO users (id, email, age) VALUES ($1, 'n', 0)", params![bob], "age_is_positive"),
        ("INSERT INTO sessions (id, user_id) VALUES (1, $1)", params![bob], "foreign_key"),
        // Refused only when the transaction around the statement ends.
        ("INSERT INTO late VALUES (1)", params![], "late_id_key"),
        ("INSERT INTO late VALUES ($1)", params![1_i64], "late_id_key"),
    ];
    for (sql, params, name) in cases {
        let error = db.execute(sql, params).await.expect_err(sql);
        assert!(error.violates(name), "{sql}: {error:?}");
    }
    let changed = db.execute("UPDATE users SET age = 1", params![]).await;
    assert_eq!(changed.expect("neighbours of an error are well"), 1);
    assert_eq!(db.execute("SELECT 1", params![]).await.expect("is run"), 0, "nothing changed");
    fixture.finish().await;
}

#[tokio::test]
async fn no_bound_value_reaches_an_error() {
    let Some(fixture) = Fixture::new().await else { return };
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
    fixture.finish().await;
}

#[tokio::test]
async fn what_would_change_a_shared_connection_is_refused() {
    let Some(fixture) = Fixture::new().await else { return };
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
    fixture.finish().await;
}
