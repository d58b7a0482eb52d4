//! Rows of a result, and how they become types.

use std::{any::type_name, fmt, sync::Arc};

use crate::{
    database::PostgresRow,
    error::{Cause, StoreError},
    value::{FromValue, Value},
};

/// The names of a result's columns, shared by its rows.
pub(crate) type Columns = Arc<[Box<str>]>;

/// One row of a result.
pub struct Row {
    columns: Columns,
    cells: Cells,
}

enum Cells {
    Read(Vec<Value>),
    /// Each is read when somebody asks for it, straight from what the server has sent.
    Sent(PostgresRow),
}

impl Row {
    pub(crate) fn new(columns: Columns, values: Vec<Value>) -> Self {
        debug_assert_eq!(columns.len(), values.len());
        Self { columns, cells: Cells::Read(values) }
    }

    pub(crate) fn sent(columns: Columns, row: PostgresRow) -> Self {
        Self { columns, cells: Cells::Sent(row) }
    }

    /// Reads the column of this name.
    ///
    /// An error names the column and the type, never the value.
    pub fn get<T: FromValue>(&self, column: &'static str) -> Result<T, StoreError> {
        match self.columns.iter().position(|name| **name == *column) {
            Some(index) => self.at(index),
            None => Err(internal(DecodeError::NoColumn { column: column.to_owned() })),
        }
    }

    /// Every cell, in order.
    pub(crate) fn values(&self) -> Result<Vec<Value>, StoreError> {
        (0..self.columns.len()).map(|index| self.cell(index)).collect()
    }

    /// Reads a column by position, the first being 0.
    pub fn at<T: FromValue>(&self, index: usize) -> Result<T, StoreError> {
        let value = self.cell(index)?;
        let stored = value.kind();
        T::from_value(value).map_err(|_| {
            let column = self.columns[index].to_string();
            internal(DecodeError::Type { column, stored, asked: type_name::<T>() })
        })
    }

    fn cell(&self, index: usize) -> Result<Value, StoreError> {
        let Some(column) = self.columns.get(index) else {
            return Err(internal(DecodeError::NoColumn { column: format!("#{index}") }));
        };
        match &self.cells {
            Cells::Read(values) => Ok(values[index].clone()),
            Cells::Sent(row) => row.cell(index).map_err(|stored| {
                internal(DecodeError::NoValue { column: column.to_string(), stored })
            }),
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (index, column) in self.columns.iter().enumerate() {
            let kind = self.cell(index).map_or("unreadable", |cell| cell.kind());
            map.entry(column, &format_args!("{kind}"));
        }
        map.finish()
    }
}

#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error("the result has no column {column}")]
    NoColumn { column: String },
    #[error("column {column} holds {stored}, which cannot be read as {asked}")]
    Type { column: String, stored: &'static str, asked: &'static str },
    #[error(
        "column {column} holds {stored}, which has no value here (cast it, for example to text)"
    )]
    NoValue { column: String, stored: String },
}

fn internal(error: DecodeError) -> StoreError {
    StoreError::Internal(Cause::from(error))
}

/// A type made from one row.
///
/// Tuples read the columns in order: `query_one::<(i64,)>("SELECT count(*) FROM users", …)`.
pub trait FromRow: Sized + Send + 'static {
    /// Reads the row.
    fn from_row(row: &Row) -> Result<Self, StoreError>;
}

/// For statements whose rows do not matter.
impl FromRow for () {
    fn from_row(_: &Row) -> Result<Self, StoreError> {
        Ok(())
    }
}

macro_rules! tuple_from_row {
    ($($type:ident $index:literal),*) => {
        impl<$($type: FromValue + Send + 'static),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row) -> Result<Self, StoreError> {
                Ok(($(row.at::<$type>($index)?,)*))
            }
        }
    };
}

tuple_from_row!(A 0);
tuple_from_row!(A 0, B 1);
tuple_from_row!(A 0, B 1, C 2);
tuple_from_row!(A 0, B 1, C 2, D 3);

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_names_column_and_types_and_not_the_value() {
        let row = Row::new(Arc::new(["email".into()]), vec![Value::from("ada@example.com")]);
        let cause = |error: StoreError| error.source().expect("a cause").to_string();
        assert_eq!(
            cause(row.get::<i64>("email").unwrap_err()),
            "column email holds Text, which cannot be read as i64"
        );
        assert_eq!(cause(row.get::<i64>("name").unwrap_err()), "the result has no column name");
        assert_eq!(format!("{row:?}"), r#"{"email": Text}"#);
    }
}
