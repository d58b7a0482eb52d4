//! One handle over the engines: statements, transactions, health.

mod bounded_staleness;
mod connections;
mod diagnosis;
mod engine;
mod figures;
mod handle;
mod options;
mod outcome;
mod postgres;
mod queue;
mod sqlite;
mod transaction;
mod unit;
mod url;

pub use self::{
    bounded_staleness::BoundedStaleness,
    connections::{Connections, Holder},
    diagnosis::{Diagnosis, PgBouncer, Pooler, Server},
    engine::Engine,
    figures::{DatabaseFigures, PostgresFigures, SqliteFigures},
    handle::Database,
    options::{DatabaseOptions, StatementMode},
    sqlite::{BackupError, BackupProgress},
    transaction::Transaction,
    url::{DatabaseUrl, UrlError},
};
pub(crate) use self::{
    handle::Inner,
    outcome::Outcome,
    postgres::{Connection, Postgres, PostgresRow},
    sqlite::Sqlite,
    unit::Unit,
};
