//! PostgreSQL servers that tests start, and connections to them.

mod cluster;
mod private;
mod processes;
mod session;
pub(crate) mod shared;

pub(crate) use self::session::Session;
pub use self::{cluster::Durability, private::PrivatePostgres};
