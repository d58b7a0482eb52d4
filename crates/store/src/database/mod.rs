//! One handle over the engines: statements, transactions, health.

mod engine;
mod handle;
mod options;
mod outcome;
mod queue;
mod sqlite;
mod transaction;
mod url;

pub(crate) use self::outcome::Outcome;
pub use self::{
    engine::Engine,
    handle::Database,
    options::DatabaseOptions,
    transaction::Transaction,
    url::{DatabaseUrl, UrlError},
};
