//! A constraint has the same name on every engine.

use mainstay_core::{Code, Fault, FaultSet};
use mainstay_store::{Database, Engine, INTERNAL, ResultExt, StoreError, Value, params};
use uuid::Uuid;

use crate::fixture::{Empty, empty};

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
    "CREATE TABLE members (a bigint, b bigint, PRIMARY KEY (a, b))",
];

/// Who is there.
const ADA: Uuid = Uuid::from_u128(1);

/// Who is not.
const EVE: Uuid = Uuid::from_u128(2);

async fn schema() -> Empty {
    let db = empty().await;
    for sql in SCHEMA {
        db.execute(sql, params![]).await.expect(sql);
    }
    let ada =
        "INSERT INTO users (id, email, nick, slug) VALUES ($1, 'ada@example.com', 'ada', 'a')";
    db.execute(ada, params![ADA]).await.expect("ada is new");
    db.execute("INSERT INTO members (a, b) VALUES (1, 1)", params![]).await.expect("is new");
    db
}

async fn refused(db: &Database, sql: &'static str, params: Vec<Value>) -> String {
    match db.execute(sql, params).await {
        Err(StoreError::Constraint { name, .. }) => name,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn each_kind_of_constraint_has_its_portable_name() {
    let db = schema().await;
    for (sql, id, name) in [
        ("INSERT INTO users (id, email) VALUES ($1, 'new@example.com')", ADA, "users_pkey"),
        ("INSERT INTO users (id, email) VALUES ($1, 'ada@example.com')", EVE, "users_email_key"),
        (
            "INSERT INTO users (id, email, nick, tenant) VALUES ($1, 'n', 'ada', 2)",
            EVE,
            "users_nick_key",
        ),
        ("INSERT INTO users (id, email, slug) VALUES ($1, 'n', 'A')", EVE, "users_slug_key"),
        ("INSERT INTO users (id, email) VALUES ($1, NULL)", EVE, "users_email_not_null"),
        ("INSERT INTO users (id, email, age) VALUES ($1, 'n', 0)", EVE, "age_is_positive"),
        ("INSERT INTO sessions (id, user_id) VALUES (1, $1)", EVE, "foreign_key"),
    ] {
        assert_eq!(refused(&db, sql, params![id]).await, name, "{sql}");
    }
    let member = "INSERT INTO members (a, b) VALUES (1, 1)";
    assert_eq!(refused(&db, member, params![]).await, "members_pkey");
}

#[tokio::test]
async fn a_unique_over_several_columns_is_named_after_them() {
    let db = empty().await;
    let table = "CREATE TABLE seats (hall bigint, seat bigint, UNIQUE (hall, seat))";
    db.execute(table, params![]).await.expect("the table is created");
    let taken = "INSERT INTO seats (hall, seat) VALUES (1, 2)";
    db.execute(taken, params![]).await.expect("the seat is free");
    assert_eq!(refused(&db, taken, params![]).await, "seats_hall_seat_key");
}

#[derive(Debug)]
enum CreateError {
    EmailTaken,
    Store(StoreError),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[tokio::test]
async fn a_repository_turns_a_constraint_into_its_own_error() {
    let db = schema().await;
    let sql = "INSERT INTO users (id, email) VALUES ($1, $2)";
    let insert = |id: Uuid, email: &str| db.execute(sql, params![id, email]);
    let taken = insert(EVE, "ada@example.com").await;
    let taken = taken.on_constraint("users_email_key", CreateError::EmailTaken);
    assert!(matches!(taken, Err(CreateError::EmailTaken)), "{taken:?}");
    let other = insert(ADA, "bob@example.com").await;
    let other = other.on_constraint("users_email_key", CreateError::EmailTaken);
    assert!(
        matches!(&other, Err(CreateError::Store(error)) if error.violates("users_pkey")),
        "{other:?}"
    );
}

#[tokio::test]
async fn an_unexpected_constraint_is_an_internal_fault_that_shows_nothing() {
    let db = schema().await;
    let sql = "INSERT INTO users (id, email) VALUES ($1, 'ada@example.com')";
    let error = db.execute(sql, params![EVE]).await.expect_err("ada is taken");
    assert_eq!(error.code(), INTERNAL);
    let mut declared: Vec<Code> = Vec::new();
    StoreError::declare(&mut declared);
    assert!(declared.contains(&error.code()));
    assert_eq!(error.detail(), "Something went wrong on our side.");
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn no_bound_value_reaches_an_error() {
    let db = schema().await;
    let secret = "correct-horse";
    let of_the_engine = match db.engine() {
        Engine::Sqlite => {
            ["SELECT json_extract('{}', $1)", "SELECT json($1)", "SELECT $1 COLLATE nothing"]
        }
        // The server repeats each of these values in what it says.
        Engine::Postgres => [
            "SELECT CAST(CAST($1 AS text) AS bigint)",
            "SELECT CAST(CAST($1 AS text) AS jsonb)",
            "INSERT INTO users (id, email, nick) SELECT CAST(n AS uuid), $1, $1 FROM (VALUES \
             ('00000000-0000-0000-0000-000000000003'), \
             ('00000000-0000-0000-0000-000000000004')) AS ids (n)",
        ],
    };
    let on_each = "INSERT INTO users (id, email, age) VALUES (NULL, $1, 0) RETURNING id";
    for sql in of_the_engine.into_iter().chain([on_each]) {
        let error = db.execute_returning::<()>(sql, params![secret]).await.expect_err(sql);
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        let shown = format!("{error} {error:?} {cause}");
        assert!(!shown.contains(secret), "{shown}");
    }
}
