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

pub(crate) use error::VerifyError;
pub(crate) use model::{
    ADMIN, Administrator, Email, PasswordVersion, Principal, USERS_READ, USERS_WRITE, User, UserId,
};
pub(crate) use repository::sql;
pub(crate) use routes::routes;
pub(crate) use service::Users;
pub(crate) use wire::{NAME_MESSAGE, NAME_PATTERN, admin};

#[cfg(test)]
pub(crate) use model::{NewUser, PasswordChange};
#[cfg(test)]
pub(crate) use tests::{InMemory, PASSWORD, Place, person};
