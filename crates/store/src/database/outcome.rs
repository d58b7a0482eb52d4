//! What a statement leaves behind, and how its rows become values.

use std::time::Duration;

use mainstay_core::Step;

use crate::{
    error::StoreError,
    row::{FromRow, Row},
};

/// What a statement leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    pub(crate) changed: u64,
    /// How long the statement waited for its turn.
    pub(crate) waited: Duration,
}

/// Ends the step that a statement is.
pub(super) fn end(step: Step, result: &Result<Outcome, StoreError>) {
    match result {
        Ok(outcome) => {
            step.waited(outcome.waited);
            let rows = (outcome.rows.len() as u64).max(outcome.changed);
            step.end("ok", Some(rows as i64));
        }
        Err(error) => {
            if matches!(error, StoreError::Overloaded(_)) {
                // It has done nothing but wait.
                step.turn();
            }
            step.fail(error.word());
        }
    }
}

impl Outcome {
    pub(super) fn decode<T: FromRow>(&self) -> Result<Vec<T>, StoreError> {
        self.rows.iter().map(T::from_row).collect()
    }

    pub(super) fn decode_first<T: FromRow>(&self) -> Result<Option<T>, StoreError> {
        self.rows.first().map(T::from_row).transpose()
    }
}
