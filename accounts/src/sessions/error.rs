//! What can go wrong with sessions, one enum for each set of outcomes.

use mainstay::{Fault, store::StoreError};
use thiserror::Error;

use crate::users::PasswordError;

/// Why somebody could not log in.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// No account has this e-mail address and this password. Which of the two is wrong is not said.
    #[error("no account has this e-mail address and this password")]
    #[fault(unauthenticated, code = "INVALID_CREDENTIALS")]
    InvalidCredentials,
    /// The password could not be verified.
    #[error(transparent)]
    #[fault(from)]
    Password(#[from] PasswordError),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a session could not be ended.
#[derive(Debug, Error, Fault)]
pub(crate) enum DeleteError {
    /// The caller has no session with this id.
    #[error("there is no such session")]
    #[fault(not_found, code = "SESSION_NOT_FOUND")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}
