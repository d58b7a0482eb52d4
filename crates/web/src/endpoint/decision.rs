//! Decisions about a request that comes again and an answer that is kept.

use std::{panic::Location, time::Duration};

use axum::http::HeaderValue;
use mainstay_core::ScopeName;

use super::builder::{DeadlineDecision, LimitDecision};

/// What a second identical request does to an endpoint that changes something.
///
/// `PUT` and `DELETE` are idempotent by RFC 9110 section 9.2.2 and need not say it; `POST` and
/// `PATCH` must. A reason appears in the discipline matrix and must not be blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// With the same `Idempotency-Key` nothing: it is given the answer to the first one. Without a
    /// key it is another request.
    ///
    /// What the handler writes to the database is one transaction with the answer, which is kept
    /// for a day: it must not hold a credential. What it does elsewhere may be done again.
    ByKey,
    /// Nothing beyond what the first one did: `NoEffect("a second one answers EMAIL_TAKEN")`.
    NoEffect(&'static str),
    /// The same once more: `Again("every log-in is a session of its own")`.
    Again(&'static str),
}

/// How long a successful answer to a `GET` may be kept, and by whom. Refusals never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// By nobody.
    NoStore,
    /// By the client itself, for whole seconds. Answers to another credential stay apart
    /// (`Vary: authorization`, and `cookie` in cookie mode).
    Private(Duration),
    /// By everybody on the way, for whole seconds; only on `.public()` endpoints.
    Public(Duration),
}

impl Cache {
    /// The value of `Cache-Control`; `None` for what every answer says unless told otherwise.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        let (who, age) = match self {
            Self::NoStore => return None,
            Self::Private(age) => ("private", age),
            Self::Public(age) => ("public", age),
        };
        HeaderValue::try_from(format!("{who}, max-age={}", age.as_secs())).ok()
    }
}

/// What an endpoint says of itself, as it was said: the settled values no longer tell a choice from
/// a default.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    /// Where the endpoint is written.
    pub(crate) place: &'static Location<'static>,
    /// The scope that opens it to keys, or why none does.
    pub(crate) scope: Option<Result<ScopeName, &'static str>>,
    pub(crate) limit: LimitDecision,
    pub(crate) deadline: DeadlineDecision,
    pub(crate) body_bytes_max: Option<usize>,
    pub(crate) repeat: Option<Repeat>,
    pub(crate) cache: Option<Cache>,
}

impl Decisions {
    /// Everything is the service's default, or undecided.
    pub(crate) fn none(place: &'static Location<'static>) -> Self {
        Self {
            place,
            scope: None,
            limit: LimitDecision::Default,
            deadline: DeadlineDecision::Default,
            body_bytes_max: None,
            repeat: None,
            cache: None,
        }
    }
}
