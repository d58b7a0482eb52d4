//! The values that go into a statement and come out of a row, the same on every engine.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

/// One parameter, or one cell of a result.
///
/// `Debug` prints the type and never the content: a value may be personal.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `uuid`
    Uuid(Uuid),
    /// `text`
    Text(String),
    /// `bigint`, `integer`
    Integer(i64),
    /// `double precision`. `NaN` is stored as null by SQLite.
    Real(f64),
    /// `boolean`
    Boolean(bool),
    /// `timestamptz`: kept to the microsecond, the rest is cut off.
    Timestamp(Timestamp),
    /// `bytea`
    Bytes(Vec<u8>),
    /// `jsonb`
    Json(serde_json::Value),
}

impl Value {
    /// The name of the variant.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Uuid(_) => "Uuid",
            Self::Text(_) => "Text",
            Self::Integer(_) => "Integer",
            Self::Real(_) => "Real",
            Self::Boolean(_) => "Boolean",
            Self::Timestamp(_) => "Timestamp",
            Self::Bytes(_) => "Bytes",
            Self::Json(_) => "Json",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

/// Lists the parameters of a statement, `$1` first: `params![id, name]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::Value>::from([$($crate::Value::from($value)),*])
    };
}

macro_rules! into_value {
    ($($type:ty => |$value:ident| $made:expr;)*) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })*
    };
}

into_value! {
    Uuid => |v| Self::Uuid(v);
    String => |v| Self::Text(v);
    &str => |v| Self::Text(v.to_owned());
    i64 => |v| Self::Integer(v);
    i32 => |v| Self::Integer(v.into());
    u32 => |v| Self::Integer(v.into());
    f64 => |v| Self::Real(v);
    bool => |v| Self::Boolean(v);
    Timestamp => |v| Self::Timestamp(v);
    Vec<u8> => |v| Self::Bytes(v);
    serde_json::Value => |v| Self::Json(v);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The stored value is not of the type asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// A type that a cell can be read as.
///
/// An engine that knows fewer types than [`Value`] hands over the nearest one (SQLite: a `uuid` as
/// bytes, a `timestamptz` as microseconds), so implement this for a type of your own by reading one
/// of the types here: `Uuid::from_value(value).map(UserId)`.
pub trait FromValue: Sized {
    /// Reads the cell.
    fn from_value(value: Value) -> Result<Self, Mismatch>;
}

macro_rules! from_value {
    ($($type:ty => { $($pattern:pat => $made:expr),* $(,)? })*) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, Mismatch> {
                match value {
                    $($pattern => $made,)*
                    _ => Err(Mismatch),
                }
            }
        })*
    };
}

from_value! {
    Uuid => {
        Value::Uuid(id) => Ok(id),
        Value::Bytes(bytes) => Self::from_slice(&bytes).map_err(|_| Mismatch),
    }
    String => {
        Value::Text(text) => Ok(text),
    }
    i64 => {
        Value::Integer(number) => Ok(number),
    }
    i32 => {
        Value::Integer(number) => Self::try_from(number).map_err(|_| Mismatch),
    }
    u32 => {
        Value::Integer(number) => Self::try_from(number).map_err(|_| Mismatch),
    }
    f64 => {
        Value::Real(number) => Ok(number),
    }
    bool => {
        Value::Boolean(truth) => Ok(truth),
        Value::Integer(0) => Ok(false),
        Value::Integer(1) => Ok(true),
    }
    Timestamp => {
        Value::Timestamp(time) => Ok(time),
        Value::Integer(micros) => Self::from_microsecond(micros).map_err(|_| Mismatch),
    }
    Vec<u8> => {
        Value::Bytes(bytes) => Ok(bytes),
    }
    serde_json::Value => {
        Value::Json(json) => Ok(json),
        Value::Text(text) => serde_json::from_str(&text).map_err(|_| Mismatch),
        Value::Bytes(text) => serde_json::from_slice(&text).map_err(|_| Mismatch),
    }
}

impl FromValue for Value {
    fn from_value(value: Self) -> Result<Self, Mismatch> {
        Ok(value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, Mismatch> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_ever_printed() {
        let values = params!["ada@example.com", 42_i64, None::<i64>, vec![1_u8], true];
        assert_eq!(format!("{values:?}"), "[Text, Integer, Null, Bytes, Boolean]");
    }

    #[test]
    fn a_number_that_does_not_fit_is_a_mismatch() {
        assert_eq!(u32::from_value(Value::Integer(-1)), Err(Mismatch));
        assert_eq!(i32::from_value(Value::Integer(1 << 40)), Err(Mismatch));
        assert_eq!(bool::from_value(Value::Integer(2)), Err(Mismatch));
        assert_eq!(Uuid::from_value(Value::Bytes(vec![0; 15])), Err(Mismatch));
    }
}
