//! What a statement leaves behind, and how its rows become values.

use crate::{
    error::StoreError,
    row::{FromRow, Row},
};

/// What a statement leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    pub(crate) changed: u64,
}

impl Outcome {
    pub(super) fn decode<T: FromRow>(&self) -> Result<Vec<T>, StoreError> {
        self.rows.iter().map(T::from_row).collect()
    }

    pub(super) fn decode_first<T: FromRow>(&self) -> Result<Option<T>, StoreError> {
        self.rows.first().map(T::from_row).transpose()
    }
}
