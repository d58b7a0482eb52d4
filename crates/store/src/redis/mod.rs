//! Redis or Valkey: what processes of a service share. Everything works without it, each process
//! for itself.
//!
//! No type of the driver appears in a public signature.

mod address;
mod connection;
mod diagnosis;
mod failure;
mod handle;
mod link;
mod repair;

pub use address::{RedisUrl, RedisUrlError};
pub(crate) use connection::PushReceiver;
pub use diagnosis::RedisDiagnosis;
pub(crate) use failure::RedisFailure;
pub use handle::{Redis, RedisOptions};
pub(crate) use link::{Link, Purpose};
