//! Error codes: the part of an error that clients branch on.

use std::fmt;

/// What went wrong, in terms that need no HTTP.
///
/// The web crate alone maps a kind to a status; see `docs/errors.md` for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The message itself cannot be read: broken JSON, a bad `Host`.
    Malformed,
    /// The message was read, and its values break the contract.
    Invalid,
    /// Nobody is signed in, or the credential is not good.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// No such thing, or none the caller may know of.
    NotFound,
    /// The path exists, and not with this method.
    MethodNotAllowed,
    /// The sender was too slow to finish its message.
    SlowClient,
    /// The request contradicts the present state.
    Conflict,
    /// It existed and is gone for good.
    Gone,
    /// A condition the caller named (`If-Match`) does not hold.
    PreconditionFailed,
    /// The caller must name a condition (`If-Match`), and did not.
    PreconditionRequired,
    /// The body is larger than the endpoint takes.
    TooLarge,
    /// The target URI is longer than the server takes.
    UriTooLong,
    /// The body is in a format the endpoint does not take.
    UnsupportedMedia,
    /// The caller asked too often.
    RateLimited,
    /// The head of the request is larger than the server takes.
    HeadTooLarge,
    /// The service refuses work it could not finish in time.
    Overloaded,
    /// Something the service needs does not answer.
    Unavailable,
    /// The deadline of the request passed.
    Timeout,
    /// Another service gave an answer that is of no use.
    Upstream,
    /// A defect on our side.
    Internal,
}

/// One entry of the error registry: a stable name, its kind and what it means.
///
/// Two codes are the same code when their names are equal; the registry refuses one name with two
/// meanings.
#[derive(Clone, Copy)]
pub struct Code {
    /// `SCREAMING_SNAKE_CASE`, `<NOUN>_<PROBLEM>`: `USER_NOT_FOUND`. Never changes once published.
    pub name: &'static str,
    /// Decides the status.
    pub kind: Kind,
    /// One sentence for the catalogue and the problem's `title`; never contains request data.
    pub meaning: &'static str,
}

impl Code {
    /// A code; meant for `const` items and the derive.
    pub const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, meaning }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name.cmp(other.name)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
