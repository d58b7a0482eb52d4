//! Who is signed in: log-in, the tokens that prove it, and the end of both.

mod error;
mod model;
mod repository;
mod routes;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use model::Timeouts;
pub(crate) use repository::{cached, sql};
pub(crate) use routes::routes;
pub(crate) use service::Sessions;
