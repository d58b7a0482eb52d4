//! The handle that a service holds: statements, the start of a transaction, health.

use std::{fmt, path::Path, sync::Arc};

use mainstay_core::{Health, HealthCheck, HealthFuture, Step, StepKind};

use super::{
    BackupError, BackupProgress, Connections, DatabaseFigures, DatabaseOptions, DatabaseUrl,
    Engine, Outcome, Transaction, outcome,
    postgres::Postgres,
    sqlite::{Place, Sqlite},
    transaction::{Exclusive, Open},
    unit::Unit,
    url::Address,
};
use crate::{
    error::{OpenError, StoreError},
    row::FromRow,
    value::Value,
};

/// A database. Clones share it.
///
/// Parameters are written `$1` to `$n` and may be used more than once. Statements are `'static`
/// because values belong into parameters, and because prepared statements are kept by their text.
///
/// # Cancellation
/// A dropped future leaves nothing half done: a statement that waits is never started, a read that
/// runs is interrupted, a write that runs is either committed as a whole or not at all.
/// On PostgreSQL the server is told to cancel what it does for nobody.
///
/// # SQLite
/// One thread writes and commits for everybody who waits at that moment; a write is answered only
/// after its commit is on disk. Another process may use the file at the same time: writers wait for
/// each other up to [`DatabaseOptions::busy_timeout`].
///
/// # PostgreSQL
/// Single reads are pipelined on a few connections that all share. [`begin`](Self::begin) takes a
/// connection of a pool for itself, and so does a single write, which is answered after its commit,
/// and a read that others should not wait for.
/// Nobody waits longer than the [`Work`](mainstay_core::Work) that it belongs to has time. A
/// statement that would leave something on its connection is
/// refused (`BEGIN`, `SET`, `COPY`, `LISTEN`). An answer that is lost with its connection is
/// [`StoreError::Unavailable`], and leaves open whether a write was committed.
#[derive(Clone)]
pub struct Database {
    inner: Inner,
    /// Shared by clones, and by nothing else.
    identity: Arc<()>,
}

/// The engines, where the difference matters.
#[derive(Clone)]
pub(crate) enum Inner {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens the database, and creates it when it is a file that does not exist.
    ///
    /// Needs a tokio runtime. The folder of a new file is created too; the file can be read by its
    /// owner only.
    pub async fn open(url: &DatabaseUrl, options: &DatabaseOptions) -> Result<Self, OpenError> {
        options.check()?;
        let options = options.clone();
        let inner = match url.address() {
            Address::File(path) => {
                Inner::Sqlite(Sqlite::open(Place::File(path.clone()), options).await?)
            }
            Address::Memory => Inner::Sqlite(Sqlite::open(Place::memory(), options).await?),
            Address::Postgres(address) => {
                Inner::Postgres(Postgres::open(address, &url.to_string(), options).await?)
            }
        };
        Ok(Self { inner, identity: Arc::default() })
    }

    /// Runs a statement that reads and returns its rows.
    ///
    /// It sees every write that was answered before, by whichever clone.
    pub async fn query<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(sql, params).await?.decode()
    }

    /// The first row; [`StoreError::NotFound`] when there is none.
    pub async fn query_one<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<T, StoreError> {
        self.query_optional(sql, params).await?.ok_or(StoreError::NotFound)
    }

    /// The first row, if there is one.
    pub async fn query_optional<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Option<T>, StoreError> {
        self.read(sql, params).await?.decode_first()
    }

    /// Runs a statement that writes, durably, and returns the number of rows it changed.
    pub async fn execute(&self, sql: &'static str, params: Vec<Value>) -> Result<u64, StoreError> {
        Ok(self.write(sql, params).await?.changed)
    }

    /// Runs a statement that writes, some time soon, for what is worth a write and no wait: when
    /// something was last used. A failure is logged and nobody is told; what waits when the process
    /// ends is lost.
    ///
    /// Needs a tokio runtime. Bounded by the queue of writes, like any other. It is no part of the
    /// request that it comes from: it is made also when that has no effect.
    pub fn execute_later(&self, sql: &'static str, params: Vec<Value>) {
        let database = self.clone();
        tokio::spawn(async move {
            if let Err(error) = database.execute(sql, params).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "late write failed");
            }
        });
    }

    /// Runs `INSERT`, `UPDATE` or `DELETE … RETURNING`, durably, and returns its rows.
    ///
    /// A row that cannot be read as `T` is an error after the write has been committed.
    pub async fn execute_returning<T: FromRow>(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.write(sql, params).await?.decode()
    }

    /// Opens a transaction; it sees its own writes.
    ///
    /// Keep it short: the embedded engine has one writer. Read what does not depend on the
    /// transaction before it, and call nothing slow inside.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        match Unit::of(self) {
            Some(unit) => unit.share().await.map(Transaction::share),
            None => self.begin_alone().await.map(Transaction::exclusive),
        }
    }

    /// Copies an embedded database, as it is now, into a new file that holds all of it, and
    /// returns its size in bytes. Reads and writes go on; what is written later is not in the copy.
    ///
    /// Refuses to overwrite. The copy is checked (`PRAGMA integrity_check`) before it gets its
    /// name, and is for its owner only. `progress` is called on a thread that may block.
    pub async fn backup(
        &self,
        to: &Path,
        progress: impl FnMut(BackupProgress) + Send + 'static,
    ) -> Result<u64, BackupError> {
        match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.backup(to.to_owned(), progress).await,
            Inner::Postgres(_) => Err(BackupError::not_embedded()),
        }
    }

    /// Who uses the connections at this moment; `None` for an embedded database, which has none.
    pub fn connections(&self) -> Option<Connections> {
        match &self.inner {
            Inner::Sqlite(_) => None,
            Inner::Postgres(postgres) => Some(postgres.connections()),
        }
    }

    /// What the engine counts about itself.
    pub fn figures(&self) -> DatabaseFigures {
        match &self.inner {
            Inner::Sqlite(sqlite) => DatabaseFigures::Sqlite(sqlite.figures()),
            Inner::Postgres(postgres) => DatabaseFigures::Postgres(postgres.figures()),
        }
    }

    /// Which engine answers.
    pub fn engine(&self) -> Engine {
        match self.inner {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// Stops taking statements, finishes those that wait, and leaves the file tidy.
    ///
    /// For every clone; a second call waits for the same end. Dropping all clones does the same
    /// without waiting.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.close().await,
            Inner::Postgres(postgres) => postgres.close().await,
        }
    }

    async fn read(&self, sql: &'static str, params: Vec<Value>) -> Result<Outcome, StoreError> {
        match Unit::of(self) {
            // Boxed, because most reads are in no unit and every one would hold the place.
            Some(unit) => Box::pin(unit.read(sql, params)).await,
            None => self.read_alone(sql, params).await,
        }
    }

    async fn write(&self, sql: &'static str, params: Vec<Value>) -> Result<Outcome, StoreError> {
        match Unit::of(self) {
            Some(unit) => unit.write(sql, params).await,
            None => self.write_alone(sql, params).await,
        }
    }

    /// Whether it is a clone of the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.identity, &other.identity)
    }

    /// Reads outside of any unit of work.
    pub(super) async fn read_alone(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        let step = Step::begin(StepKind::Sql, sql);
        let result = match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.read(sql, params).await,
            Inner::Postgres(postgres) => postgres.read(sql, params).await,
        };
        outcome::end(step, &result);
        result
    }

    /// Writes outside of any unit of work.
    pub(super) async fn write_alone(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        let step = Step::begin(StepKind::Sql, sql);
        let result = match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.write(sql, params).await,
            Inner::Postgres(postgres) => postgres.write(sql, params).await,
        };
        outcome::end(step, &result);
        result
    }

    /// Begins a transaction outside of any unit of work.
    pub(super) async fn begin_alone(&self) -> Result<Exclusive, StoreError> {
        let step = Step::begin(StepKind::Transaction, "transaction");
        let begun = match &self.inner {
            Inner::Sqlite(sqlite) => sqlite.begin().await.map(Open::Sqlite),
            Inner::Postgres(postgres) => postgres.begin().await.map(Open::Postgres),
        };
        step.turn();
        match begun {
            Ok(open) => Ok(Exclusive::new(open, step)),
            Err(error) => {
                step.fail(error.word());
                Err(error)
            }
        }
    }

    /// The engine itself, for what is not the same on both.
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl HealthCheck for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn check(&self) -> HealthFuture<'_> {
        Box::pin(async {
            let looked = match &self.inner {
                Inner::Sqlite(sqlite) => sqlite.probe().await,
                Inner::Postgres(postgres) => postgres.probe().await,
            };
            looked.map_or_else(Health::Unready, |()| Health::Ready)
        })
    }
}
