//! What can go wrong with people, one enum for each set of outcomes.

use std::time::Duration;

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

const PRECONDITION_FAILED: Code = Code::new(
    "PRECONDITION_FAILED",
    Kind::PreconditionFailed,
    "The resource is not in the state that the request names",
);

// A conflict, and no broken contract: whether a password is common cannot be read from a schema.
const PASSWORD_TOO_COMMON: Code = Code::new(
    "PASSWORD_TOO_COMMON",
    Kind::Conflict,
    "The password is among the first that anybody would guess",
);

/// Why a person could not be registered.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// Somebody has registered with this e-mail address, in whatever case.
    #[error("the e-mail address is already registered")]
    #[fault(EMAIL_TAKEN)]
    EmailTaken,
    /// The password is among the first that anybody would guess.
    #[error("the password is too easy to guess; several unrelated words make a good one")]
    #[fault(PASSWORD_TOO_COMMON)]
    TooCommon,
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

/// Why nobody looked at a password.
#[derive(Debug, Error, Fault)]
pub(crate) enum VerifyError {
    /// After several wrong passwords the next one is looked at only after a wait.
    #[error("too many wrong passwords in a row")]
    #[fault(rate_limited, code = "TOO_MANY_FAILURES", retry_after)]
    Delayed(Duration),
    /// There were so many failures in a row that no password is looked at. A session that is signed
    /// in goes on, and can set a new password; else an operator has to help.
    #[error("the password is locked after too many failures")]
    #[fault(forbidden, code = "PASSWORD_LOCKED")]
    Locked,
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    #[fault(from)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a password could not be replaced.
#[derive(Debug, Error, Fault)]
pub(crate) enum SetPasswordError {
    /// The present password is another one.
    #[error("the present password is another one")]
    #[fault(forbidden, code = "WRONG_PASSWORD")]
    WrongPassword,
    /// The new one is among the first that anybody would guess.
    #[error("the password is too easy to guess; several unrelated words make a good one")]
    #[fault(PASSWORD_TOO_COMMON)]
    TooCommon,
    /// The present password was not looked at.
    #[error(transparent)]
    #[fault(from)]
    Verify(#[from] VerifyError),
    /// The new password could not be hashed in time.
    #[error(transparent)]
    #[fault(from)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why somebody could not be made an administrator.
#[derive(Debug, Error)]
pub(crate) enum AdminError {
    /// The password is among the first that anybody would guess.
    #[error("the password is too easy to guess; several unrelated words make a good one")]
    TooCommon,
    /// The password could not be hashed in time.
    #[error(transparent)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
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
