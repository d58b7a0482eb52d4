//! The embedded engine: one thread that writes, a few that read, and the queues in front of them.

mod backup;
mod connection;
mod engine;
mod failure;
mod reader;
mod savepoint;
mod session;
mod statement;
mod ticket;
mod writer;

pub use self::backup::{BackupError, BackupProgress};
pub(crate) use self::{connection::Place, engine::Sqlite, session::SqliteTransaction};
