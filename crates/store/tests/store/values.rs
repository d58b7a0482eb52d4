//! Values come back as they were stored.

use mainstay_core::Timestamp;
use mainstay_store::{Engine, FromValue, StoreError, Value, params};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::empty;

const TABLE: &str = "CREATE TABLE every_type (
    a uuid, b text, c bigint, d double precision, e boolean, f timestamptz, g bytea, h jsonb
)";

const INSERT: &str = "INSERT INTO every_type (a, b, c, d, e, f, g, h) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING a, b, c, d, e, f, g, h";

struct Typed {
    values: [Value; 8],
}

impl mainstay_store::FromRow for Typed {
    fn from_row(row: &mainstay_store::Row) -> Result<Self, StoreError> {
        fn read<T: FromValue>(
            row: &mainstay_store::Row,
            name: &'static str,
        ) -> Result<Value, StoreError>
        where
            Value: From<Option<T>>,
        {
            Ok(row.get::<Option<T>>(name)?.into())
        }
        Ok(Self {
            values: [
                read::<Uuid>(row, "a")?,
                read::<String>(row, "b")?,
                read::<i64>(row, "c")?,
                read::<f64>(row, "d")?,
                read::<bool>(row, "e")?,
                read::<Timestamp>(row, "f")?,
                read::<Vec<u8>>(row, "g")?,
                read::<serde_json::Value>(row, "h")?,
            ],
        })
    }
}

/// What each engine can keep of a type. PostgreSQL has no text with a zero character, begins time
/// in 4713 BC, and keeps the numbers of a `jsonb` as decimals.
fn keeps(engine: Engine, value: &Value) -> bool {
    let Engine::Postgres = engine else { return true };
    match value {
        Value::Text(text) => !text.contains('\0'),
        Value::Timestamp(time) => time.as_microsecond() > BEGINNING_MICROS,
        Value::Json(json) => jsonb_keeps(json),
        _ => true,
    }
}

/// The year 4700 before the common one.
const BEGINNING_MICROS: i64 = -(4700 + 1970) * 365 * 86_400_000_000;

fn jsonb_keeps(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::String(text) => !text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().all(jsonb_keeps),
        serde_json::Value::Object(members) => {
            members.iter().all(|(name, value)| !name.contains('\0') && jsonb_keeps(value))
        }
        serde_json::Value::Number(number) if number.is_f64() => {
            // Comes back with all its digits: without a sign of zero, without a sign of being no
            // integer when it was too large to show one, and to be read by an inexact library.
            let number = number.as_f64().unwrap_or_default();
            let whole = number.fract() == 0.0 && number.abs() < 1e16;
            let read = serde_json::from_str::<serde_json::Value>(&number.to_string());
            !(number == 0.0 && number.is_sign_negative())
                && (whole || read.is_ok_and(|read| read == json!(number)))
        }
        _ => true,
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("the JSON library is off by a bit", |f| survives(*f))
            .prop_map(Into::into),
        any::<i32>().prop_map(|n| json!(f64::from(n))),
        ".{0,12}".prop_map(Into::into),
        "-?[0-9]{1,20}(\\.0)?".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(".{0,6}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Without its feature `float_roundtrip`, `serde_json` reads some numbers inexactly.
fn survives(number: f64) -> bool {
    let read = serde_json::from_str::<serde_json::Value>(&json!(number).to_string());
    read.is_ok_and(|read| read == json!(number))
}

/// Whole microseconds over the whole range of the type.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond())
        .prop_map(|micros| Timestamp::from_microsecond(micros).expect("in range"))
}

fn row(engine: Engine) -> impl Strategy<Value = Vec<Value>> {
    let text = prop_oneof![".{0,40}", "-?[0-9]{1,20}", "[0-9]{1,3}e[0-9]{1,2}"];
    let finite = any::<f64>().prop_filter("NaN is stored as null", |number| !number.is_nan());
    (
        prop::option::of(any::<u128>().prop_map(Uuid::from_u128)),
        prop::option::of(text),
        prop::option::of(any::<i64>()),
        prop::option::of(finite),
        prop::option::of(any::<bool>()),
        prop::option::of(timestamp()),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        prop::option::of(json_value()),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| params![a, b, c, d, e, f, g, h])
        .prop_filter("the engine keeps it", move |row| row.iter().all(|v| keeps(engine, v)))
}

#[test]
fn every_value_of_every_type_comes_back_unchanged() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let db = runtime.block_on(empty());
    runtime.block_on(db.execute(TABLE, params![])).expect("the table is created");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let result = runner.run(&row(db.engine()), |values| {
        let stored = runtime.block_on(db.execute_returning::<Typed>(INSERT, values.clone()));
        let stored = stored.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert!(stored[0].values[..] == values[..], "{values:?}");
        Ok(())
    });
    result.expect("values survive");
}

#[tokio::test]
async fn a_timestamp_is_cut_to_the_microsecond() {
    let db = empty().await;
    let stored = Timestamp::from_nanosecond(1_700_000_000_123_456_789).expect("in range");
    let (read,): (Timestamp,) = db
        .query_one("SELECT CAST($1 AS timestamptz)", params![stored])
        .await
        .expect("the value comes back");
    assert_eq!(read.as_nanosecond(), 1_700_000_000_123_456_000);
}

#[tokio::test]
async fn a_parameter_may_be_used_twice_and_in_any_order() {
    let db = empty().await;
    let row: (String, String, String) = db
        .query_one("SELECT $2, $1, $2", params!["one", "two"])
        .await
        .expect("the values come back");
    assert_eq!(row, ("two".to_owned(), "one".to_owned(), "two".to_owned()));
}

#[tokio::test]
async fn parameters_that_do_not_fit_the_statement_are_a_defect() {
    let db = empty().await;
    for (sql, params) in [
        ("SELECT $1", params![]),
        ("SELECT $1", params![1, 2]),
        ("SELECT $2", params![1]),
        ("SELECT ?1", params![1]),
    ] {
        let error = db.query::<()>(sql, params).await.expect_err(sql);
        assert!(matches!(error, StoreError::Internal(_)), "{sql}: {error:?}");
    }
}
