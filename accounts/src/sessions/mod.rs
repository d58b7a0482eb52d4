//! Who is signed in: log-in, the tokens that prove it, and the end of both.

mod error;
mod model;
mod repository;
mod routes;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub use error::{CreateError, DeleteError};
pub use model::{Credentials, Session, SessionId, Token, TokenHash};
pub use repository::{Answer, Repository, sql};
pub use routes::routes;
pub use service::Sessions;
