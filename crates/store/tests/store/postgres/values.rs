//! Values come back as they were stored, whichever way the statement travels.

use mainstay_core::Timestamp;
use mainstay_store::{DatabaseOptions, FromRow, Row, StatementMode, StoreError, Value, params};
use serde_json::json;
use uuid::Uuid;

use super::fixture::Fixture;

const TABLE: &str = "CREATE TABLE every_type (
    a uuid, b text, c bigint, d double precision, e boolean, f timestamptz, g bytea, h jsonb
)";

const INSERT: &str = "INSERT INTO every_type (a, b, c, d, e, f, g, h) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING a, b, c, d, e, f, g, h";

struct Cells(Vec<Value>);

impl FromRow for Cells {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        (0..8).map(|index| row.at(index)).collect::<Result<_, _>>().map(Self)
    }
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("in range")
}

fn rows() -> Vec<Vec<Value>> {
    /// 4713-01-01 BC is the first day the server knows; this is a little later.
    const EARLY: i64 = -210_000_000_000_000_000;
    let nothing = || vec![Value::Null; 8];
    let row = |text: &str, n: i64, real: f64, micros: i64, json: serde_json::Value| {
        let id = Uuid::from_u128(n.unsigned_abs().into());
        params![id, text, n, real, n % 2 == 0, time(micros), text.as_bytes().to_vec(), json]
    };
    vec![
        nothing(),
        row("", 0, 0.0, 0, json!(null)),
        row("é ' \\ \" \n ;$1", i64::MIN, -0.1, -1, json!({"a": [1, 2.5, "x\"", null]})),
        row("x", i64::MAX, f64::MAX, 1_700_000_000_123_456, json!("\u{1F600} ' \\")),
        row("x", -1, f64::MIN_POSITIVE, EARLY, json!([])),
        row("x", 7, f64::INFINITY, -62_135_596_800_000_001, json!(u64::MAX)),
        row("x", 8, f64::NEG_INFINITY, 253_402_207_199_999_999, json!({"b": {"c": true}})),
    ]
}

async fn survive(mode: StatementMode) {
    let options = DatabaseOptions { statement_mode: mode, ..DatabaseOptions::default() };
    let Some(fixture) = Fixture::with(options).await else { return };
    fixture.db.execute(TABLE, params![]).await.expect("the table is created");
    for row in rows() {
        let read: Vec<Cells> =
            fixture.db.execute_returning(INSERT, row.clone()).await.expect("is stored");
        assert!(read[0].0 == row, "{mode:?} {row:?}: {:?}", read[0].0);
    }
    let nan = params![f64::NAN];
    let (nan,): (f64,) = fixture.db.query_one("SELECT $1::float8", nan).await.expect("comes back");
    assert!(nan.is_nan());
    fixture.finish().await;
}

#[tokio::test]
async fn values_survive_prepared_statements() {
    survive(StatementMode::Named).await;
}

#[tokio::test]
async fn values_survive_statements_without_a_name() {
    survive(StatementMode::Unnamed).await;
}

#[tokio::test]
async fn other_types_are_read_where_they_can_be() {
    let Some(fixture) = Fixture::new().await else { return };
    let db = &fixture.db;
    db.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')", params![]).await.expect("a type");
    db.execute("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)", params![])
        .await
        .expect("one");
    let one = |sql, params| async move {
        let (value,): (Value,) = db.query_one(sql, params).await.expect(sql);
        value
    };
    for (sql, params, value) in [
        ("SELECT sum(n) FROM (VALUES (1::bigint), (2)) AS t (n)", params![], params![3]),
        ("SELECT 12.50::numeric(6, 2)", params![], params!["12.50"]),
        ("SELECT $1::numeric + 1", params!["0.10"], params!["1.10"]),
        ("SELECT $1::mood", params!["happy"], params!["happy"]),
        ("SELECT $1::positive", params![5], params![5]),
        ("SELECT $1::smallint", params![-5], params![-5]),
        ("SELECT $1::real", params![0.5], params![0.5]),
        ("SELECT $1::date::text", params!["2024-02-29"], params!["2024-02-29"]),
        ("SELECT $1::json", params![json!([1])], params![json!([1])]),
        ("SELECT pg_sleep(0)", params![], params![None::<i64>]),
    ] {
        assert!(one(sql, params).await == value[0], "{sql}");
    }
    for (sql, params) in [
        ("SELECT $1::smallint", params![40_000]),
        ("SELECT $1::bigint", params!["1"]),
        ("SELECT $1::uuid", params![1]),
        ("SELECT $1::text", params![]),
        ("SELECT $1::text", params!["a", "b"]),
        ("SELECT current_date", params![]),
        ("SELECT 'infinity'::timestamptz", params![]),
    ] {
        let error = db.query::<(Value,)>(sql, params).await.expect_err(sql);
        assert!(matches!(error, StoreError::Internal(_)), "{sql}: {error:?}");
    }
    fixture.finish().await;
}
