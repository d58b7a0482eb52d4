//! `CallError`: why a call has no answer that is of use, and what may be said about it.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use http::{Method, StatusCode};
use mainstay_core::{Code, Fault, FaultSet, Kind};
use mainstay_web::codes::INTERNAL;

use super::trouble::{BoxError, Said, Trouble};

/// A service that this one needs cannot be reached, or says that it cannot answer now.
pub const UPSTREAM_UNAVAILABLE: Code = Code::new(
    "UPSTREAM_UNAVAILABLE",
    Kind::Unavailable,
    "A service that this one needs does not answer",
);

/// A service that this one needs has not answered in time.
pub const UPSTREAM_TIMED_OUT: Code = Code::new(
    "UPSTREAM_TIMED_OUT",
    Kind::Timeout,
    "A service that this one needs has not answered in time",
);

/// A service that this one needs gave an answer that is of no use.
pub const UPSTREAM_FAILED: Code = Code::new(
    "UPSTREAM_FAILED",
    Kind::Upstream,
    "A service that this one needs gave an answer that is of no use",
);

/// What a client is told to wait where nobody has said how long: the smallest step of
/// `Retry-After`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call has no answer of use. As a [`Fault`] it can be passed on: `#[fault(from)]`.
#[derive(Debug)]
pub enum CallError {
    /// There is no connection, or the service says that it cannot answer now (429, 502, 503, 504).
    /// Trying again later may help.
    Unavailable(Reason),
    /// Nothing was sent: the breaker is open, or the client has too many calls already.
    Refused(Reason),
    /// There was no whole answer in time. Whether the service has done it is not known.
    TimedOut(Reason),
    /// The service failed, broke off, or answered what nobody can use. Whether it has done it is
    /// not known.
    Failed(Reason),
    /// A defect on our side: the call is not one that can be sent.
    Mistake(Reason),
}

/// The private half of a [`CallError`]: which call, and what came of it. It holds the template of
/// the path; no value, query, header or body is in it.
pub struct Reason(Box<Because>);

/// Apart from it, so that a result of a call is small.
struct Because {
    origin: Origin,
    what: What,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

/// Which call it is, in words from the source.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) client: &'static str,
    pub(super) method: Method,
    pub(super) template: &'static str,
}

enum What {
    Text(&'static str),
    Said(Said),
}

impl CallError {
    /// The service that was called, by its client's name.
    pub fn client(&self) -> &'static str {
        self.reason().0.origin.client
    }

    /// The status that it answered, if it did.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.reason().0.what {
            What::Said(said) => Some(said.status),
            What::Text(_) => None,
        }
    }

    /// The code of the problem that it answered, if it did: `USER_NOT_FOUND`.
    pub fn problem(&self) -> Option<&str> {
        match &self.reason().0.what {
            What::Said(said) => said.code.as_deref(),
            What::Text(_) => None,
        }
    }

    fn reason(&self) -> &Reason {
        match self {
            Self::Unavailable(reason)
            | Self::Refused(reason)
            | Self::TimedOut(reason)
            | Self::Failed(reason)
            | Self::Mistake(reason) => reason,
        }
    }

    pub(super) fn mistake(origin: &Origin, what: &'static str) -> Self {
        Self::Mistake(Reason::new(origin, What::Text(what)))
    }

    /// An answer that is whole, and not what was wanted.
    pub(super) fn unexpected(origin: &Origin, said: Said) -> Self {
        Self::Failed(Reason::new(origin, What::Said(said)))
    }

    /// An answer whose body is not what was wanted.
    pub(super) fn unreadable(origin: &Origin, error: impl Into<BoxError>) -> Self {
        let what = "not the JSON that was expected";
        Self::Failed(Reason::new(origin, What::Text(what)).caused_by(error.into()))
    }

    pub(super) fn from_trouble(origin: &Origin, trouble: Trouble) -> Self {
        let text = |what| Reason::new(origin, What::Text(what));
        match trouble {
            Trouble::Refused { why, wait } => Self::Refused(text(why).until(Some(wait))),
            Trouble::Unreachable(cause) => {
                Self::Unavailable(text("no connection").caused_by(cause))
            }
            Trouble::Broken(cause) => Self::Failed(text("no whole answer").caused_by(cause)),
            Trouble::TimedOut { .. } => Self::TimedOut(text("the time is over")),
            Trouble::Unable(said) => {
                let wait = said.retry_after;
                Self::Unavailable(Reason::new(origin, What::Said(said)).until(wait))
            }
            Trouble::Failed(said) => Self::unexpected(origin, said),
            Trouble::TooLarge => Self::Failed(text("the answer is too long")),
        }
    }
}

impl Reason {
    fn new(origin: &Origin, what: What) -> Self {
        let origin = origin.clone();
        Self(Box::new(Because { origin, what, retry_after: None, source: None }))
    }

    fn caused_by(mut self, source: BoxError) -> Self {
        self.0.source = Some(source);
        self
    }

    fn until(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "another service is not available",
            Self::Refused(_) => "another service is not called for now",
            Self::TimedOut(_) => "another service took too long",
            Self::Failed(_) => "another service failed",
            Self::Mistake(_) => "a call to another service cannot be sent",
        })
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.reason())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { client, method, template } = &self.0.origin;
        write!(f, "{method} {template} of {client}: ")?;
        match &self.0.what {
            What::Text(what) => f.write_str(what),
            What::Said(said) => said.fmt(f),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Reason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl Fault for CallError {
    fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) | Self::Refused(_) => UPSTREAM_UNAVAILABLE,
            Self::TimedOut(_) => UPSTREAM_TIMED_OUT,
            Self::Failed(_) => UPSTREAM_FAILED,
            Self::Mistake(_) => INTERNAL,
        }
    }

    /// Which service it is remains our own affair.
    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unavailable(_) | Self::Refused(_) => {
                "A service that this one needs does not answer. Try again shortly."
            }
            Self::TimedOut(_) => "A service that this one needs has not answered in time.",
            Self::Failed(_) => "A service that this one needs has failed.",
            Self::Mistake(_) => "Something went wrong on our side.",
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(reason) | Self::Refused(reason) => {
                Some(reason.0.retry_after.unwrap_or(RETRY_AFTER))
            }
            Self::TimedOut(_) | Self::Failed(_) | Self::Mistake(_) => None,
        }
    }
}

impl FaultSet for CallError {
    fn declare(codes: &mut Vec<Code>) {
        codes.extend([UPSTREAM_UNAVAILABLE, UPSTREAM_TIMED_OUT, UPSTREAM_FAILED, INTERNAL]);
    }
}
