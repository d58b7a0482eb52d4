//! What can go wrong with flags, one enum for each set of outcomes.

use mainstay::{
    Fault,
    core::{Code, Kind},
    store::StoreError,
};
use thiserror::Error;

const FLAG_NOT_FOUND: Code =
    Code::new("FLAG_NOT_FOUND", Kind::NotFound, "There is no flag with this key");

// The rest are entries of the edge's own catalogue, which a rule of this module answers with too.

const FORBIDDEN: Code = Code::new("FORBIDDEN", Kind::Forbidden, "The caller may not do this");

const PRECONDITION_FAILED: Code = Code::new(
    "PRECONDITION_FAILED",
    Kind::PreconditionFailed,
    "The resource is not in the state that the request names",
);

/// Why a flag cannot require what it is to require. Conflicts, and no broken contract: which flags
/// there are cannot be read from a schema.
#[derive(Clone, Debug, Error, Fault, PartialEq, Eq)]
pub(crate) enum PrerequisiteError {
    /// A flag requires one that does not exist.
    #[error("there is no flag with the key of a prerequisite")]
    #[fault(conflict, code = "FLAG_PREREQUISITE_UNKNOWN")]
    Unknown,
    /// A flag requires itself, or one that requires it.
    #[error("the flag would require itself")]
    #[fault(conflict, code = "FLAG_PREREQUISITE_CYCLE")]
    Cycle,
}

/// Why a flag could not be made.
#[derive(Debug, Error, Fault)]
pub(crate) enum CreateError {
    /// There is a flag with this key.
    #[error("there is a flag with this key")]
    #[fault(conflict, code = "FLAG_KEY_TAKEN")]
    KeyTaken,
    /// There are as many flags as there may be.
    #[error("there are as many flags as there may be; delete one")]
    #[fault(conflict, code = "TOO_MANY_FLAGS")]
    TooMany,
    /// It cannot require what it is to require.
    #[error(transparent)]
    #[fault(from)]
    Prerequisite(#[from] PrerequisiteError),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a flag could not be shown.
#[derive(Debug, Error, Fault)]
pub(crate) enum LookupError {
    /// There is no flag with this key.
    #[error("there is no such flag")]
    #[fault(FLAG_NOT_FOUND)]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a flag could not be replaced.
#[derive(Debug, Error, Fault)]
pub(crate) enum UpdateError {
    /// There is no flag with this key.
    #[error("there is no such flag")]
    #[fault(FLAG_NOT_FOUND)]
    NotFound,
    /// The flag is not of a version that the caller named.
    #[error("the flag has changed since")]
    #[fault(PRECONDITION_FAILED)]
    PreconditionFailed,
    /// It cannot require what it is to require.
    #[error(transparent)]
    #[fault(from)]
    Prerequisite(#[from] PrerequisiteError),
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a flag could not be removed.
#[derive(Debug, Error, Fault)]
pub(crate) enum DeleteError {
    /// There is no flag with this key.
    #[error("there is no such flag")]
    #[fault(FLAG_NOT_FOUND)]
    NotFound,
    /// The flag is not of a version that the caller named.
    #[error("the flag has changed since")]
    #[fault(PRECONDITION_FAILED)]
    PreconditionFailed,
    /// Another flag requires this one.
    #[error("another flag requires it; change that one first")]
    #[fault(conflict, code = "FLAG_IN_USE")]
    InUse,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why a flag was not evaluated.
#[derive(Debug, Error, Fault)]
pub(crate) enum EvaluateError {
    /// What is on for somebody else is for administrators to ask.
    #[error("only an administrator evaluates flags for others")]
    #[fault(FORBIDDEN)]
    Forbidden,
    /// There is no flag with this key.
    #[error("there is no such flag")]
    #[fault(FLAG_NOT_FOUND)]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

/// Why no flags were evaluated.
#[derive(Debug, Error, Fault)]
pub(crate) enum EvaluateAllError {
    /// What is on for somebody else is for administrators to ask.
    #[error("only an administrator evaluates flags for others")]
    #[fault(FORBIDDEN)]
    Forbidden,
    /// The store failed.
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}
