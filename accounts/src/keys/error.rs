//! What can go wrong with keys, one enum for each set of outcomes.

use mainstay::{
    Fault,
    core::{Code, Kind},
    store::StoreError,
};
use thiserror::Error;

// Entries of other catalogues, which a rule of this module answers with too.

const FORBIDDEN: Code = Code::new("FORBIDDEN", Kind::Forbidden, "The caller may not do this");

const USER_NOT_FOUND: Code =
    Code::new("USER_NOT_FOUND", Kind::NotFound, "There is no user with this id");

/// Why a key could not be made.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// A key for another account is for administrators to make.
    #[error("only an administrator makes keys for other accounts")]
    #[fault(FORBIDDEN)]
    Forbidden,
    /// There is no such account.
    #[error("there is no such user")]
    #[fault(USER_NOT_FOUND)]
    UserNotFound,
    /// The account has a password, so its owner makes its keys.
    #[error("the account is a person's, who makes their own keys")]
    #[fault(conflict, code = "NOT_A_MACHINE_ACCOUNT")]
    NotAMachine,
    /// The account has as many keys as it may have.
    #[error("the account has as many keys as it may have; delete one")]
    #[fault(conflict, code = "TOO_MANY_KEYS")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why keys could not be listed.
#[derive(Debug, Error, Fault)]
pub(crate) enum ListError {
    /// The keys of another account are for administrators to see.
    #[error("only an administrator sees keys of other accounts")]
    #[fault(FORBIDDEN)]
    Forbidden,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a key could not be removed.
#[derive(Debug, Error, Fault)]
pub(crate) enum DeleteError {
    /// The caller has no key with this id.
    #[error("there is no such key")]
    #[fault(not_found, code = "KEY_NOT_FOUND")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}
