//! What can go wrong with sessions, one enum for each set of outcomes.

use mainstay::{Fault, store::StoreError};
use thiserror::Error;

use crate::users::VerifyError;

/// Why somebody could not log in.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// No account has this e-mail address and this password. Which of the two is wrong is not said.
    #[error("no account has this e-mail address and this password")]
    #[fault(unauthenticated, code = "INVALID_CREDENTIALS")]
    InvalidCredentials,
    /// The password was not looked at.
    #[error(transparent)]
    #[fault(from)]
    Verify(#[from] VerifyError),
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
