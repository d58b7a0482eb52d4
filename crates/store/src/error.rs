//! What can go wrong with stored data, and what may be said about it.
//!
//! Nothing here knows a driver: an engine translates its own errors, and keeps bound values out of
//! the cause while doing so.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use mainstay_core::{Code, Fault, FaultSet, Kind};

/// The database does not answer: its disk is full or failing, it is locked, or it was closed.
pub const STORE_UNAVAILABLE: Code =
    Code::new("STORE_UNAVAILABLE", Kind::Unavailable, "The database does not answer");

/// A queue in front of the database is full, or moved too slowly.
pub const STORE_OVERLOADED: Code = Code::new(
    "STORE_OVERLOADED",
    Kind::Overloaded,
    "The database has more work than it can finish in time",
);

/// A defect on our side; the same entry as the edge's own.
pub const INTERNAL: Code =
    Code::new("INTERNAL", Kind::Internal, "Something went wrong on our side");

/// What a client is told to wait: queues here drain in milliseconds and a second is the smallest
/// step of `Retry-After`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a statement has no result.
///
/// Only [`Constraint`](Self::Constraint) and [`NotFound`](Self::NotFound) are for a repository to
/// act on. The rest is passed on as it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The database does not answer; trying again may help.
    Unavailable(Cause),
    /// The statement or the transaction took longer than it may. Nothing of it was kept.
    TimedOut(Cause),
    /// The queue was full or moved too slowly. The statement was not started.
    Overloaded(Cause),
    /// A constraint of the schema refused a value.
    Constraint {
        /// Its portable name; see [`StoreError::violates`].
        name: String,
        /// What the driver says.
        cause: Cause,
    },
    /// `query_one` found no row.
    NotFound,
    /// A defect: broken SQL, a value of an unexpected type.
    Internal(Cause),
}

impl StoreError {
    /// Whether a constraint of this name refused the statement.
    ///
    /// Names are the same on every engine: that of a unique index or a named check as declared,
    /// `<table>_pkey`, `<table>_<column…>_key` for a `UNIQUE` without an index of its own,
    /// `<table>_<column>_not_null`, and `foreign_key` for every reference.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(self, Self::Constraint { name, .. } if name == constraint)
    }

    /// What it is, in a word for journals.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::TimedOut(_) => "timed_out",
            Self::Overloaded(_) => "overloaded",
            Self::Constraint { .. } => "constraint",
            Self::NotFound => "not_found",
            Self::Internal(_) => "failed",
        }
    }

    /// The private cause; reached through [`Error::source`].
    fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Unavailable(cause)
            | Self::TimedOut(cause)
            | Self::Overloaded(cause)
            | Self::Constraint { cause, .. }
            | Self::Internal(cause) => Some(cause),
            Self::NotFound => None,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "the database does not answer",
            Self::TimedOut(_) => "the database took too long",
            Self::Overloaded(_) => "the database has too much work",
            Self::Constraint { .. } => "a constraint refused the statement",
            Self::NotFound => "no row where one was expected",
            Self::Internal(_) => "the statement failed",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().map(Cause::as_error)
    }
}

impl Fault for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) | Self::TimedOut(_) => STORE_UNAVAILABLE,
            Self::Overloaded(_) => STORE_OVERLOADED,
            Self::Constraint { .. } | Self::NotFound | Self::Internal(_) => INTERNAL,
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.code().kind {
            Kind::Unavailable => "The database does not answer. Try again shortly.",
            Kind::Overloaded => "The database is busy. Try again shortly.",
            _ => "Something went wrong on our side.",
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.code() != INTERNAL).then_some(RETRY_AFTER)
    }
}

impl FaultSet for StoreError {
    fn declare(codes: &mut Vec<Code>) {
        codes.extend([STORE_UNAVAILABLE, STORE_OVERLOADED, INTERNAL]);
    }
}

/// What is behind a [`StoreError`]: for the request line, never for a client.
///
/// Shared, because one failed commit is the answer to every statement it carried.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// The error itself, for `source()`.
    pub(crate) fn as_error(&self) -> &(dyn Error + 'static) {
        &*self.0
    }

    /// A cause that is a sentence.
    pub(crate) fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::from(Text(text.into()))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Text(Cow<'static, str>);

/// Turns the refusal of a constraint into an error of the module, beside the query.
pub trait ResultExt<T> {
    /// Answers `error` when `constraint` refused the statement; any other error passes through.
    ///
    /// ```
    /// # use mainstay_store::{ResultExt, StoreError};
    /// # #[derive(Debug)] enum Error { EmailTaken, Store(StoreError) }
    /// # impl From<StoreError> for Error { fn from(e: StoreError) -> Self { Self::Store(e) } }
    /// # fn created(inserted: Result<(), StoreError>) -> Result<(), Error> {
    /// inserted.on_constraint("users_email_key", Error::EmailTaken)
    /// # }
    /// ```
    fn on_constraint<E: From<StoreError>>(self, constraint: &str, error: E) -> Result<T, E>;
}

impl<T> ResultExt<T> for Result<T, StoreError> {
    fn on_constraint<E: From<StoreError>>(self, constraint: &str, error: E) -> Result<T, E> {
        self.map_err(|e| if e.violates(constraint) { error } else { e.into() })
    }
}

/// What stopped a start, in three sentences for the person who starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What did not work.
    pub what: String,
    /// What is known about the reason.
    pub why: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.what, self.why, self.fix)
    }
}

/// The database cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub Explanation);

impl OpenError {
    /// Says it in three parts; `fix` is a whole sentence, the others are fragments.
    pub(crate) fn new(
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self(Explanation { what: what.into(), why: why.into(), fix: fix.into() })
    }
}
