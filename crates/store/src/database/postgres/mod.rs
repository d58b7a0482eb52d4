//! The PostgreSQL engine: shared lanes for single reads, a pool for writes and transactions.

mod address;
mod cancel;
mod connection;
mod connector;
mod console;
mod drive;
mod engine;
mod failure;
mod holders;
mod interrupt;
mod keyword;
mod lanes;
mod lease;
mod limits;
mod numeric;
mod opening;
mod pool;
mod replica;
mod session;
mod single;
mod slow;
mod socket;
mod statement;
mod tls;
mod value;

pub(crate) use self::{
    connection::Connection, engine::Postgres, session::PostgresTransaction, value::PostgresRow,
};
