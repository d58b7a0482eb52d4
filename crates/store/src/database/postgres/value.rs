//! Values on the wire: binary by the type that the server reports, or text where it reports none.

use std::{error::Error, fmt};

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type};
use uuid::Uuid;

use super::{failure::Unfit, numeric};
use crate::value::Value;

type Failed = Box<dyn Error + Sync + Send>;

/// PostgreSQL counts microseconds from 2000-01-01 (`POSTGRES_EPOCH_JDATE`).
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The version byte before the text of a `jsonb`; there has been no other.
const JSONB_VERSION: u8 = 1;

/// A parameter of a statement whose types the server has told.
pub(super) struct Bound<'a>(pub(super) &'a Value);

/// A parameter of a statement that is parsed in the same breath: the server finds the type, and
/// reads the text.
pub(super) struct Plain<'a>(pub(super) &'a Value);

/// A row as the server has sent it.
pub(crate) struct PostgresRow(pub(super) tokio_postgres::Row);

impl PostgresRow {
    /// Reads a cell; fails with the name of a type that has no value here.
    pub(crate) fn cell(&self, index: usize) -> Result<Value, String> {
        self.0.try_get(index).map(|Cell(value)| value).map_err(|_| {
            let column = self.0.columns().get(index);
            column.map_or_else(String::new, |column| column.type_().name().to_owned())
        })
    }
}

/// One cell of a result.
struct Cell(Value);

/// What the bytes of a type mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Uuid,
    Text,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Boolean,
    Timestamp,
    Bytes,
    Json,
    Jsonb,
    Numeric,
    Void,
    /// Everything else has a text form.
    Other,
}

fn shape(ty: &Type) -> Shape {
    match *ty {
        Type::UUID => Shape::Uuid,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Shape::Text,
        Type::INT2 => Shape::Int2,
        Type::INT4 => Shape::Int4,
        Type::INT8 => Shape::Int8,
        Type::OID => Shape::Oid,
        Type::FLOAT4 => Shape::Float4,
        Type::FLOAT8 => Shape::Float8,
        Type::BOOL => Shape::Boolean,
        Type::TIMESTAMPTZ => Shape::Timestamp,
        Type::BYTEA => Shape::Bytes,
        Type::JSON => Shape::Json,
        Type::JSONB => Shape::Jsonb,
        Type::NUMERIC => Shape::Numeric,
        Type::VOID => Shape::Void,
        _ => match ty.kind() {
            Kind::Domain(inner) => shape(inner),
            // Their binary form is their text.
            Kind::Enum(_) => Shape::Text,
            _ if ty.name() == "citext" => Shape::Text,
            _ => Shape::Other,
        },
    }
}

fn unfit(value: &Value, ty: &Type) -> Failed {
    Unfit { given: value.kind().to_owned(), wanted: ty.name().to_owned() }.into()
}

fn integer<T: TryFrom<i64>>(number: i64, value: &Value, ty: &Type) -> Result<T, Failed> {
    T::try_from(number).map_err(|_| unfit(value, ty))
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match (self.0, shape(ty)) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Uuid(id), Shape::Uuid) => out.put_slice(id.as_bytes()),
            (Value::Text(text), Shape::Text | Shape::Other | Shape::Numeric) => {
                out.put_slice(text.as_bytes());
            }
            (Value::Integer(n), Shape::Int8) => out.put_i64(*n),
            (Value::Integer(n), Shape::Int4) => out.put_i32(integer(*n, self.0, ty)?),
            (Value::Integer(n), Shape::Int2) => out.put_i16(integer(*n, self.0, ty)?),
            (Value::Integer(n), Shape::Oid) => out.put_u32(integer(*n, self.0, ty)?),
            (Value::Integer(n), Shape::Float8) => out.put_f64(*n as f64),
            (Value::Integer(n), Shape::Numeric) => put_text(out, n),
            (Value::Real(n), Shape::Float8) => out.put_f64(*n),
            (Value::Real(n), Shape::Float4) => out.put_f32(*n as f32),
            (Value::Real(n), Shape::Numeric) => put_text(out, n),
            (Value::Boolean(truth), Shape::Boolean) => out.put_u8((*truth).into()),
            (Value::Timestamp(time), Shape::Timestamp) => {
                out.put_i64(time.as_microsecond() - EPOCH_MICROS);
            }
            (Value::Bytes(bytes), Shape::Bytes) => out.put_slice(bytes),
            (Value::Json(json), Shape::Json) => put_text(out, json),
            (Value::Json(json), Shape::Jsonb) => {
                out.put_u8(JSONB_VERSION);
                put_text(out, json);
            }
            (value, _) => return Err(unfit(value, ty)),
        }
        Ok(IsNull::No)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match shape(ty) {
            Shape::Numeric | Shape::Other => Format::Text,
            _ => Format::Binary,
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        self.to_sql(ty, out)
    }
}

impl ToSql for Plain<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Uuid(id) => put_text(out, id),
            Value::Text(text) => out.put_slice(text.as_bytes()),
            Value::Integer(number) => put_text(out, number),
            Value::Real(number) if number.is_infinite() => {
                out.put_slice(if *number > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            Value::Real(number) => put_text(out, number),
            Value::Boolean(truth) => out.put_slice(if *truth { b"t" } else { b"f" }),
            Value::Timestamp(time) => put_time(out, *time),
            Value::Bytes(bytes) => {
                out.put_slice(b"\\x");
                for byte in bytes {
                    put_text(out, format_args!("{byte:02x}"));
                }
            }
            Value::Json(json) => put_text(out, json),
        }
        Ok(IsNull::No)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        self.to_sql(ty, out)
    }
}

impl fmt::Debug for Bound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

fn put_text(out: &mut BytesMut, text: impl fmt::Display) {
    // Writing into memory does not fail.
    let _ = fmt::Write::write_fmt(out, format_args!("{text}"));
}

/// ISO 8601; years before our era are counted as historians do, without a year 0.
fn put_time(out: &mut BytesMut, time: Timestamp) {
    // Cut as the binary form is.
    let time = Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time);
    let (time, era) = (time.to_zoned(jiff::tz::TimeZone::UTC), time < year_one());
    let year = i32::from(time.year());
    let year = if era { 1 - year } else { year };
    let (month, day, hour) = (time.month(), time.day(), time.hour());
    let (minute, second) = (time.minute(), time.second());
    let micros = i32::from(time.millisecond()) * 1000 + i32::from(time.microsecond());
    put_text(
        out,
        format_args!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+00{}",
            if era { " BC" } else { "" }
        ),
    );
}

/// 0001-01-01: -62,135,596,800 s, the lower end of RFC 3339.
fn year_one() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).unwrap_or(Timestamp::MIN)
}

impl FromSql<'_> for Cell {
    fn from_sql(ty: &Type, raw: &[u8]) -> Result<Self, Failed> {
        read(ty, raw).map(Self).ok_or_else(|| "no value".into())
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn read(ty: &Type, raw: &[u8]) -> Option<Value> {
    Some(match shape(ty) {
        Shape::Uuid => Value::Uuid(Uuid::from_slice(raw).ok()?),
        Shape::Text => Value::Text(std::str::from_utf8(raw).ok()?.to_owned()),
        Shape::Int2 => Value::Integer(i16::from_be_bytes(raw.try_into().ok()?).into()),
        Shape::Int4 => Value::Integer(i32::from_be_bytes(raw.try_into().ok()?).into()),
        Shape::Int8 => Value::Integer(i64::from_be_bytes(raw.try_into().ok()?)),
        Shape::Oid => Value::Integer(u32::from_be_bytes(raw.try_into().ok()?).into()),
        Shape::Float4 => Value::Real(f32::from_be_bytes(raw.try_into().ok()?).into()),
        Shape::Float8 => Value::Real(f64::from_be_bytes(raw.try_into().ok()?)),
        Shape::Boolean => Value::Boolean(*raw.first()? != 0),
        Shape::Timestamp => {
            let micros = i64::from_be_bytes(raw.try_into().ok()?).checked_add(EPOCH_MICROS)?;
            Value::Timestamp(Timestamp::from_microsecond(micros).ok()?)
        }
        Shape::Bytes => Value::Bytes(raw.to_vec()),
        Shape::Json => Value::Json(serde_json::from_slice(raw).ok()?),
        Shape::Jsonb => {
            let (version, text) = raw.split_first()?;
            (*version == JSONB_VERSION).then_some(())?;
            Value::Json(serde_json::from_slice(text).ok()?)
        }
        Shape::Numeric => numeric::read(raw)?,
        Shape::Void => Value::Null,
        Shape::Other => return None,
    })
}
