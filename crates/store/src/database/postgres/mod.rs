//! The PostgreSQL engine: shared lanes for single statements, a pool for transactions.

mod address;
mod cancel;
mod connection;
mod connector;
mod console;
mod engine;
mod failure;
mod keyword;
mod lanes;
mod lease;
mod numeric;
mod pool;
mod session;
mod socket;
mod tls;
mod value;

pub(crate) use self::{connection::Connection, engine::Postgres, session::PostgresTransaction};
