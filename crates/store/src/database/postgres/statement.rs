//! Statements on a connection: prepared once, run, and their rows read.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::TryStreamExt;
use tokio_postgres::{Error, RowStream, Statement, types::Type};

use super::{
    connection::Connection,
    keyword,
    value::{Bound, Plain, PostgresRow},
};
use crate::{
    database::Outcome,
    row::{Columns, Row},
    value::Value,
};

/// Those that are prepared, by their text.
pub(super) type Statements = HashMap<&'static str, Prepared, foldhash::fast::RandomState>;

/// A statement that the server has understood.
#[derive(Clone)]
pub(super) struct Prepared {
    statement: Statement,
    columns: Columns,
    counts_changes: bool,
}

/// The server has yet to understand it.
pub(super) struct Unprepared;

impl Connection {
    /// Finds the statement prepared; `None` where statements have no names.
    pub(super) fn prepared(&self, sql: &'static str) -> Result<Option<Prepared>, Unprepared> {
        if !self.mode().named {
            return Ok(None);
        }
        self.statements().get(sql).cloned().map(Some).ok_or(Unprepared)
    }

    /// Prepares the statement, or finds it prepared; `None` where statements have no names.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<Option<Prepared>, Error> {
        if let Ok(prepared) = self.prepared(sql) {
            return Ok(prepared);
        }
        // Boxed, because it happens once and every statement would hold the place.
        let statement = Box::pin(self.client.prepare(sql)).await?;
        let counts_changes = keyword::counts_changes(sql);
        let prepared = Prepared { columns: columns(&statement), statement, counts_changes };
        self.statements().insert(sql, prepared.clone());
        Ok(Some(prepared))
    }

    /// Forgets a prepared statement that the server no longer has.
    pub(super) fn forget(&self, sql: &'static str) {
        let forgotten = self.statements().remove(sql);
        // Its drop sends a message, and takes the driver's locks.
        drop(forgotten);
    }

    /// Runs a statement to its end. It is sent when the future is first polled.
    pub(super) async fn run(
        &self,
        sql: &'static str,
        prepared: Option<&Prepared>,
        params: &[Value],
    ) -> Result<Outcome, Error> {
        if let Some(prepared) = prepared {
            let params = params.iter().map(Bound);
            let rows = self.client.query_raw(&prepared.statement, params).await?;
            collect(rows, Some(&prepared.columns), || prepared.counts_changes).await
        } else {
            let params = params.iter().map(|value| (Plain(value), Type::UNKNOWN));
            let rows = self.client.query_typed_raw(sql, params).await?;
            collect(rows, None, || keyword::counts_changes(sql)).await
        }
    }

    /// Runs a statement that is a transaction of its own, within the time limits. All of it is sent
    /// when the future is first polled.
    pub(super) async fn run_alone(
        &self,
        sql: &'static str,
        prepared: Option<&Prepared>,
        params: &[Value],
    ) -> Result<Outcome, Error> {
        let mode = self.mode();
        if !mode.pooled {
            return self.run(sql, prepared, params).await;
        }
        // Behind a pooler the session is another's the moment after, so limits go with the
        // statement, and end with it. Boxed: who has no pooler need not hold the place.
        Box::pin(self.run_pooled(sql, prepared, params)).await
    }

    async fn run_pooled(
        &self,
        sql: &'static str,
        prepared: Option<&Prepared>,
        params: &[Value],
    ) -> Result<Outcome, Error> {
        let first = self.mode().limits.begin();
        let (begun, ran, ended) = tokio::join!(
            biased;
            self.client.batch_execute(&first),
            self.run(sql, prepared, params),
            self.client.batch_execute("COMMIT"),
        );
        begun?;
        let outcome = ran?;
        ended?;
        Ok(outcome)
    }

    fn statements(&self) -> MutexGuard<'_, Statements> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn columns(statement: &Statement) -> Columns {
    statement.columns().iter().map(|column| column.name().into()).collect()
}

async fn collect(
    stream: RowStream,
    columns: Option<&Columns>,
    counts_changes: impl FnOnce() -> bool,
) -> Result<Outcome, Error> {
    let mut stream = pin!(stream);
    let mut columns = columns.cloned();
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        let columns = columns.get_or_insert_with(|| {
            row.columns().iter().map(|column| column.name().into()).collect()
        });
        rows.push(Row::sent(columns.clone(), PostgresRow(row)));
    }
    let changed = stream.rows_affected().filter(|_| counts_changes()).unwrap_or(0);
    Ok(Outcome { rows, changed, waited: Duration::ZERO })
}
