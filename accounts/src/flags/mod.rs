//! Feature flags: what is on for whom, and who changed it.
//!
//! A flag is decided for a subject by its id alone, so this module knows no other.

mod error;
mod model;
mod repository;
mod routes;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use model::{FLAGS_READ, FLAGS_WRITE};
pub(crate) use repository::{cached, sql};
pub(crate) use routes::routes;
pub(crate) use service::Flags;
