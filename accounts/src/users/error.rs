//! What can go wrong with people, one enum for each set of outcomes.

use mainstay::{
    Fault,
    core::{Code, FieldProblem, Kind},
    passwords::PasswordsBusy,
    store::StoreError,
};
use thiserror::Error;

const EMAIL_TAKEN: Code =
    Code::new("EMAIL_TAKEN", Kind::Conflict, "Somebody has registered with this e-mail address");

const USER_NOT_FOUND: Code =
    Code::new("USER_NOT_FOUND", Kind::NotFound, "There is no user with this id");

// The rest are entries of the edge's own catalogue, which a rule of this module answers with too.

const FORBIDDEN: Code = Code::new("FORBIDDEN", Kind::Forbidden, "The caller may not do this");

const UNAUTHENTICATED: Code =
    Code::new("UNAUTHENTICATED", Kind::Unauthenticated, "A valid credential is needed");

const PRECONDITION_FAILED: Code = Code::new(
    "PRECONDITION_FAILED",
    Kind::PreconditionFailed,
    "The resource is not in the state that the request names",
);

/// Why a person could not be registered.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// Somebody has registered with this e-mail address, in whatever case.
    #[error("the e-mail address is already registered")]
    #[fault(EMAIL_TAKEN)]
    EmailTaken,
    /// The password could not be hashed in time.
    #[error(transparent)]
    #[fault(from)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why an operation on one user, named by id, failed.
#[derive(Debug, Error, Fault)]
pub(crate) enum LookupError {
    /// There is no user with this id.
    #[error("there is no such user")]
    #[fault(USER_NOT_FOUND)]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why the caller's own account could not be shown.
#[derive(Debug, Error, Fault)]
pub(crate) enum CallerError {
    /// The account was removed after the credential had been looked at.
    #[error("the account of the credential is gone")]
    #[fault(UNAUTHENTICATED)]
    Removed,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a user could not be removed.
#[derive(Debug, Error, Fault)]
pub(crate) enum DeleteError {
    /// There is no user with this id.
    #[error("there is no such user")]
    #[fault(USER_NOT_FOUND)]
    NotFound,
    /// The user is not of a version that the caller named.
    #[error("the user has changed since")]
    #[fault(PRECONDITION_FAILED)]
    PreconditionFailed,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a user could not be changed.
#[derive(Debug, Error, Fault)]
pub(crate) enum UpdateError {
    /// There is no user with this id.
    #[error("there is no such user")]
    #[fault(USER_NOT_FOUND)]
    NotFound,
    /// The role is for administrators to change.
    #[error("only an administrator may change a role")]
    #[fault(FORBIDDEN)]
    Forbidden,
    /// The user is not of a version that the caller named.
    #[error("the user has changed since")]
    #[fault(PRECONDITION_FAILED)]
    PreconditionFailed,
    /// Somebody else has registered with this e-mail address.
    #[error("the e-mail address is already registered")]
    #[fault(EMAIL_TAKEN)]
    EmailTaken,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a password could not be set or verified.
#[derive(Debug, Error, Fault)]
pub(crate) enum PasswordError {
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    #[fault(from)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// What the command line names is no administrator.
#[derive(Debug, Error)]
#[error("{}", sentences(.0))]
pub(crate) struct InvalidAdmin(pub(super) Vec<FieldProblem>);

/// `email must be an e-mail address, password must have at least 15 characters`
fn sentences(problems: &[FieldProblem]) -> String {
    let sentence = |problem: &FieldProblem| {
        format!("{} {}", problem.pointer.trim_start_matches('/'), problem.message)
    };
    problems.iter().map(sentence).collect::<Vec<_>>().join(", ")
}
