//! A database of its own for every test, on either engine, and the private PostgreSQL server that
//! keeps those of one engine.
//!
//! Nothing here knows the code under test, so that the tests of every crate may use it. Everything
//! blocks: a test that has no database yet has nothing else to do.

mod database;
mod engine;
mod neighbour;
mod postgres;

pub use database::TestDatabase;
pub use engine::Engine;
pub use neighbour::Neighbour;
pub use postgres::{Durability, PrivatePostgres, ServerError};
