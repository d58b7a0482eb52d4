//! People: who they are, what they may do, and their passwords.
//!
//! Who is signed in belongs to `sessions`, which uses this module; this module knows no other.

mod error;
mod model;
mod repository;
mod routes;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub use error::{CreateError, ListError, LookupError, PasswordError, UpdateError};
pub use model::{
    ADMIN, Account, Administrator, Change, Changes, Email, Listing, Listed, NewAdmin, NewUser,
    PasswordVersion, Position, Role, User, UserId, UserName, Version,
};
pub use repository::{Answer, Repository, sql};
pub use routes::routes;
pub use service::Users;
#[cfg(test)]
pub(crate) use tests::{InMemory, ManualClock, database};
pub use wire::admin;
