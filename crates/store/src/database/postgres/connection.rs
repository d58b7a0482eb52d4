//! One connection: its driver, its prepared statements, and how a statement runs on it.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, RowStream, SimpleQueryMessage, Statement, types::Type};

use super::{
    cancel::{self, Canceller},
    connector::Connector,
    failure::{self, Step},
    keyword,
    socket::{Peer, Socket},
    tls::{Encrypted, Handshake},
    value::{Bound, Cell, Plain},
};
use crate::{
    database::{Outcome, StatementMode},
    error::{Cause, StoreError},
    row::{Columns, Row},
    value::Value,
};

type Driver = tokio_postgres::Connection<Socket, Encrypted>;

/// How the connection came about.
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) handshake: Handshake,
    pub(super) generation: u64,
}

/// An open connection. Dropping it ends it, in good order if the server answers.
pub(crate) struct Connection {
    client: Client,
    connector: Weak<Connector>,
    generation: u64,
    canceller: Canceller,
    /// Statements are part of the program, so there is an end to them.
    statements: Mutex<HashMap<&'static str, Prepared, foldhash::fast::RandomState>>,
    mode: OnceLock<Mode>,
    driver: AbortHandle,
    /// The SQLSTATE with which the server ended it when nobody was asking, or why this side did.
    farewell: Arc<OnceLock<String>>,
    expires: Instant,
}

/// What is on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) named: bool,
    /// Each transaction may run on another session of the server: nothing can be set for longer.
    pub(super) pooled: bool,
}

/// A statement that the server has understood.
#[derive(Clone)]
pub(super) struct Prepared {
    statement: Statement,
    columns: Columns,
}

impl Connection {
    pub(super) fn start(
        connector: &Arc<Connector>,
        client: Client,
        driver: Driver,
        session: Session,
    ) -> Self {
        let generation = session.generation;
        let lifetime = connector.options.max_lifetime.mul_f64(1.0 - fastrand::f64() / 10.0);
        let farewell = Arc::new(OnceLock::new());
        let (heard, retiring) = (farewell.clone(), Arc::downgrade(connector));
        let driving = tokio::spawn(async move {
            let Err(error) = driver.await else { return };
            if let Some(code) = error.code() {
                // Nothing else sets it.
                let _ = heard.set(code.code().to_owned());
            }
            if let Some(connector) = retiring.upgrade().filter(|_| failure::retires(&error)) {
                connector.retire(generation);
            }
        });
        Self {
            canceller: Canceller {
                token: client.cancel_token(),
                peer: session.peer,
                handshake: session.handshake,
            },
            client,
            connector: Arc::downgrade(connector),
            generation,
            statements: Mutex::default(),
            mode: OnceLock::new(),
            driver: driving.abort_handle(),
            farewell,
            expires: Instant::now() + lifetime,
        }
    }

    /// Finds out who answers, and sets the time limits. Returns whether the session is read-only.
    pub(super) async fn set_up(&self) -> Result<bool, Error> {
        const ASK: &str = "SELECT pg_backend_pid(), current_setting('transaction_read_only')";
        let Some(options) = self.connector.upgrade().map(|c| c.options.clone()) else {
            return Ok(false);
        };
        let (mut process, mut read_only) = (None, false);
        for message in self.client.simple_query(ASK).await? {
            if let SimpleQueryMessage::Row(row) = message {
                process = row.get(0).and_then(|text| text.parse::<i32>().ok());
                read_only = row.get(1) == Some("on");
            }
        }
        let pooled = process != cancel::process_of(&self.canceller.token).await;
        let named = match options.statement_mode {
            StatementMode::Auto => !pooled,
            StatementMode::Named => true,
            StatementMode::Unnamed => false,
        };
        // A driver that was told once is told the same again.
        let _ = self.mode.set(Mode { named, pooled });
        if !pooled {
            let limits = format!(
                "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
                millis(options.statement_timeout),
                millis(options.transaction_idle_timeout),
            );
            self.client.batch_execute(&limits).await?;
        }
        Ok(read_only)
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode.get().copied().unwrap_or(Mode { named: false, pooled: true })
    }

    /// Whether a statement may still be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Whether its server is still the one to ask.
    pub(super) fn is_current(&self) -> bool {
        let current = self.connector.upgrade().map(|connector| connector.generation());
        self.is_open() && current == Some(self.generation)
    }

    /// Whether it may be used again by somebody else.
    pub(super) fn is_fit(&self) -> bool {
        self.is_current() && Instant::now() < self.expires
    }

    /// Ends the connection without a word to the server. Who still waits is told `why`.
    pub(super) fn abort(&self, why: &str) {
        // Unless the server said something before.
        let _ = self.farewell.set(why.to_owned());
        self.driver.abort();
    }

    pub(super) async fn cancel(&self) -> bool {
        self.canceller.cancel().await
    }

    /// The driver's client, for work that has the connection to itself.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs SQL of ours that takes no values and has no rows.
    pub(super) async fn command(&self, sql: &'static str) -> Result<(), StoreError> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| self.failed(&error, sql, Step::Run))
    }

    /// Begins a transaction whose time limits end with it, in one round trip.
    pub(super) async fn begin_with_limits(
        &self,
        statement_millis: u128,
        idle_millis: u128,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "BEGIN; SET LOCAL statement_timeout = {statement_millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {idle_millis}"
        );
        let done = self.client.batch_execute(&sql).await;
        done.map_err(|error| self.failed(&error, "BEGIN", Step::Run))
    }

    /// Whether no transaction is open: inside one, `now()` is when it began.
    pub(super) async fn is_idle(&self) -> bool {
        const ASK: &str = "SELECT now() = statement_timestamp()";
        let Ok(answers) = self.client.simple_query(ASK).await else { return false };
        answers.iter().any(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        })
    }

    /// Prepares the statement, or finds it prepared; `None` where statements have no names.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<Option<Prepared>, StoreError> {
        if !self.mode().named {
            return Ok(None);
        }
        if let Some(prepared) = self.statements().get(sql) {
            return Ok(Some(prepared.clone()));
        }
        let statement = self.client.prepare(sql).await;
        let statement = statement.map_err(|error| self.failed(&error, sql, Step::Prepare))?;
        let prepared = Prepared { columns: columns(&statement), statement };
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
            collect(rows, Some(&prepared.columns), sql).await
        } else {
            let params = params.iter().map(|value| (Plain(value), Type::UNKNOWN));
            collect(self.client.query_typed_raw(sql, params).await?, None, sql).await
        }
    }

    /// Translates an error, and retires the generation where it says that the server goes away.
    pub(super) fn failed(&self, error: &Error, sql: &'static str, step: Step) -> StoreError {
        if let Some(connector) = self.connector.upgrade().filter(|_| failure::retires(error)) {
            connector.retire(self.generation);
        }
        match self.farewell.get().filter(|_| error.is_closed()) {
            Some(code) if code == IDLE_IN_TRANSACTION => {
                StoreError::TimedOut(failure::lost(sql, "the transaction was idle for too long"))
            }
            Some(code) => StoreError::Unavailable(failure::lost(sql, code)),
            None => failure::translate(error, sql, step),
        }
    }

    fn statements(
        &self,
    ) -> MutexGuard<'_, HashMap<&'static str, Prepared, foldhash::fast::RandomState>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `idle_in_transaction_session_timeout`
const IDLE_IN_TRANSACTION: &str = "25P03";

/// For a setting of the server, where 0 means never.
pub(super) fn millis(limit: Duration) -> u128 {
    limit.as_millis().max(1)
}

fn columns(statement: &Statement) -> Columns {
    statement.columns().iter().map(|column| column.name().into()).collect()
}

async fn collect(
    stream: RowStream,
    columns: Option<&Columns>,
    sql: &'static str,
) -> Result<Outcome, Error> {
    let mut stream = pin!(stream);
    let mut columns = columns.cloned();
    let mut rows = Vec::new();
    // The rest of the stream is read even after a cell that cannot be: the answer is the server's
    // only when the transaction around the statement has ended.
    let mut unread = None;
    while let Some(row) = stream.try_next().await? {
        let columns = columns.get_or_insert_with(|| {
            row.columns().iter().map(|column| column.name().into()).collect()
        });
        let values: Result<Vec<_>, _> =
            (0..row.len()).map(|index| row.try_get(index).map(|Cell(value)| value)).collect();
        match values {
            Ok(values) => rows.push(Row::new(columns.clone(), values)),
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    let changed = stream.rows_affected().filter(|_| keyword::counts_changes(sql)).unwrap_or(0);
    match unread {
        Some(error) => Err(error),
        None => Ok(Outcome { rows, changed }),
    }
}

/// Nobody answers any more.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable(Cause::text("the database was closed"))
}
