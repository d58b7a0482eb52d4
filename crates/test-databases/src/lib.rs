//! A database of its own for every test, on either engine, the private servers for it, and what
//! breaks them.
//!
//! Nothing here knows the code under test, so that the tests of every crate may use it. Everything
//! blocks: a test that has no database yet has nothing else to do.

mod blocking;
mod database;
mod engine;
mod machine;
mod neighbour;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;
mod wall_clock;

pub use database::TestDatabase;
pub use engine::Engine;
pub use machine::ServerError;
pub use neighbour::Neighbour;
pub use pgbouncer::PrivatePgBouncer;
pub use postgres::{Durability, PrivatePostgres};
pub use proxy::FaultProxy;
pub use redis::{EncryptedRedis, Memory, PrivateCluster, PrivateRedis, PrivateSentinel};
pub use wall_clock::WallClock;
