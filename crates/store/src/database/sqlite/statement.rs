//! One statement on one connection: bind, step, collect.

use std::{sync::Arc, time::Duration};

use rusqlite::{
    Connection, Statement, ToSql,
    types::{ToSqlOutput, Value as Owned, ValueRef},
};

use super::{super::Outcome, failure};
use crate::{
    error::{Cause, StoreError},
    row::{Columns, Row},
    value::Value,
};

/// What the caller of a statement may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Runs the statement to its end.
pub(super) fn run(
    connection: &Connection,
    access: Access,
    sql: &'static str,
    params: &[Value],
) -> Result<Outcome, StoreError> {
    let failed = |error| failure::translate(connection, &error, sql);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    check(&statement, access, sql)?;
    bind(&mut statement, sql, params)?;
    let columns = columns(&statement);
    let changed_before = connection.total_changes();
    let mut rows = Vec::new();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next().map_err(failed)? {
        let values = (0..columns.len())
            .map(|index| read(row.get_ref(index).map_err(failed)?, sql))
            .collect::<Result<_, _>>()?;
        rows.push(Row::new(columns.clone(), values));
    }
    // `changes` keeps the figure of the last statement that could change rows.
    let changed_any = connection.total_changes() != changed_before;
    let changed = if changed_any { connection.changes() } else { 0 };
    Ok(Outcome { rows, changed, waited: Duration::ZERO })
}

fn check(statement: &Statement<'_>, access: Access, sql: &'static str) -> Result<(), StoreError> {
    match statement.readonly() {
        // `COMMIT` would end the transaction of a whole group, `BEGIN` freeze a reader's view.
        true if statement.column_count() == 0 => {
            Err(defect(format!("`{sql}` neither reads nor writes; transactions use `begin`")))
        }
        false if access == Access::Read => {
            Err(defect(format!("`{sql}` writes: `execute` and `execute_returning` are for that")))
        }
        _ => Ok(()),
    }
}

fn columns(statement: &Statement<'_>) -> Columns {
    statement.column_names().map(Box::from).collect::<Arc<[_]>>()
}

/// Binds by name: SQLite numbers `$2` first when it comes first in the text.
fn bind(
    statement: &mut Statement<'_>,
    sql: &'static str,
    params: &[Value],
) -> Result<(), StoreError> {
    let count = statement.parameter_count();
    if count != params.len() {
        let given = params.len();
        return Err(defect(format!("{given} parameters for the {count} of `{sql}`")));
    }
    for index in 1..=count {
        let position = statement
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = position.and_then(|position| params.get(position.checked_sub(1)?));
        let Some(value) = value else {
            return Err(defect(format!("parameters are not `$1` to `${count}` in `{sql}`")));
        };
        statement
            .raw_bind_parameter(index, Bound(value))
            .map_err(|_| defect(format!("a parameter of `{sql}` is too big")))?;
    }
    Ok(())
}

fn defect(text: String) -> StoreError {
    StoreError::Internal(Cause::text(text))
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Real(number) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
            Value::Boolean(truth) => ToSqlOutput::Borrowed(ValueRef::Integer((*truth).into())),
            Value::Timestamp(time) => {
                ToSqlOutput::Borrowed(ValueRef::Integer(time.as_microsecond()))
            }
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            // A column declared `jsonb` has numeric affinity and would turn the text of a number
            // into a number, losing digits. As bytes it stays as it is.
            Value::Json(json @ serde_json::Value::Number(_)) => {
                ToSqlOutput::Owned(Owned::Blob(json.to_string().into_bytes()))
            }
            Value::Json(json) => ToSqlOutput::Owned(Owned::Text(json.to_string())),
        })
    }
}

fn read(value: ValueRef<'_>, sql: &'static str) -> Result<Value, StoreError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => return Err(defect(format!("text that is not UTF-8 from `{sql}`"))),
        },
    })
}
