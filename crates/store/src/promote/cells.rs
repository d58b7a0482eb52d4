//! Cells of both engines in one form: what the target's column makes of them.

use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    error::StoreError,
    row::{FromRow, Row},
    value::{FromValue, Mismatch, Value},
};

/// The cells of a row, as the engine hands them over.
pub(super) struct Cells(pub(super) Vec<Value>);

impl FromRow for Cells {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self(row.values()?))
    }
}

/// What a column of the target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Text,
    Integer,
    Real,
    Boolean,
    Timestamp,
    Bytes,
    Json,
}

impl Kind {
    /// By the name of the type in PostgreSQL.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "text" | "character varying" | "character" => Self::Text,
            "bigint" | "integer" | "smallint" => Self::Integer,
            "double precision" | "real" => Self::Real,
            "boolean" => Self::Boolean,
            "timestamp with time zone" => Self::Timestamp,
            "bytea" => Self::Bytes,
            "jsonb" | "json" => Self::Json,
            _ => return None,
        })
    }

    /// A cell of either engine as PostgreSQL reads it from JSON.
    pub(super) fn read(self, cell: Value) -> Result<Json, Mismatch> {
        if cell == Value::Null {
            return Ok(Json::Null);
        }
        Ok(match self {
            Self::Uuid => Uuid::from_value(cell)?.to_string().into(),
            Self::Text => String::from_value(cell)?.into(),
            Self::Integer => i64::from_value(cell)?.into(),
            // JSON has no infinity, and PostgreSQL reads one from its name.
            Self::Real => match f64::from_value(cell)? {
                number if number.is_finite() => number.into(),
                number if number > 0.0 => "Infinity".into(),
                number if number < 0.0 => "-Infinity".into(),
                _ => "NaN".into(),
            },
            Self::Boolean => bool::from_value(cell)?.into(),
            Self::Timestamp => Timestamp::from_value(cell)?.to_string().into(),
            Self::Bytes => {
                let bytes = Vec::<u8>::from_value(cell)?;
                bytes.iter().fold("\\x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")).into()
            }
            Self::Json => Json::from_value(cell)?,
        })
    }
}

/// Rows of a table, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    /// The sum of the rows' hashes: the same in every order, since two engines sort text apart.
    hash: u128,
}

impl Sum {
    pub(super) fn add(&mut self, row: &Json) {
        let digest = Sha256::digest(row.to_string());
        let half = digest.first_chunk::<16>().copied().unwrap_or_default();
        self.rows += 1;
        self.hash = self.hash.wrapping_add(u128::from_be_bytes(half));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_cells_become_the_same() {
        let id = Uuid::from_u128(7);
        let at = Timestamp::from_microsecond(1_700_000_000_123_456).expect("in range");
        for (kind, sqlite, postgres) in [
            (Kind::Uuid, Value::Bytes(id.as_bytes().to_vec()), Value::Uuid(id)),
            (Kind::Boolean, Value::Integer(1), Value::Boolean(true)),
            (Kind::Timestamp, Value::Integer(at.as_microsecond()), Value::Timestamp(at)),
            (
                Kind::Json,
                Value::Text("{\"b\":1, \"a\":2}".into()),
                Value::Json(serde_json::json!({ "a": 2, "b": 1 })),
            ),
            (Kind::Real, Value::Real(0.1), Value::Real(0.1)),
            (Kind::Text, Value::Null, Value::Null),
        ] {
            let both = [kind.read(sqlite), kind.read(postgres)];
            assert!(both[0].is_ok() && both[0] == both[1], "{kind:?}: {both:?}");
        }
        assert_eq!(Kind::Bytes.read(Value::Bytes(vec![0, 255])), Ok("\\x00ff".into()));
        assert_eq!(Kind::Uuid.read(Value::Integer(1)), Err(Mismatch));
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_and_notices_one_cell() {
        let sum = |rows: &[&str]| {
            let mut sum = Sum::default();
            for row in rows {
                sum.add(&(*row).into());
            }
            sum
        };
        assert_eq!(sum(&["a", "b"]), sum(&["b", "a"]));
        assert_ne!(sum(&["a", "b"]), sum(&["a", "c"]));
        assert_ne!(sum(&["a", "a"]), sum(&["a"]));
    }
}
