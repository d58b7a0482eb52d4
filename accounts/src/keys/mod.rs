//! API keys: credentials of machines, good for a few things and for some time.
//!
//! A key acts as the account it belongs to, and reaches only endpoints that name one of its scopes.

mod error;
mod model;
mod repository;
mod routes;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use repository::{cached, sql};
pub(crate) use routes::routes;
pub(crate) use service::Keys;
