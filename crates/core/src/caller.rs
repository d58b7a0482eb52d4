//! Who is asking.

use std::{fmt, future::Future, pin::Pin, str::FromStr};

use uuid::Uuid;

use crate::{fault::BoxFault, personal::Secret};

/// The identity a caller acts as: an opaque id, safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(pub Uuid);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for Subject {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A role by name. A service defines its own enum and converts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(pub &'static str);

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Something a credential may be good for, by name: `users:read`. An endpoint names the one it
/// needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeName(pub &'static str);

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a credential is good for, within what its holder may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// Everything: a session.
    All,
    /// Endpoints that name one of these, and no other: an API key.
    Only(Vec<ScopeName>),
}

impl Scopes {
    /// Whether the credential opens an endpoint that names this scope, or none.
    pub fn permit(&self, scope: Option<ScopeName>) -> bool {
        match self {
            Self::All => true,
            Self::Only(scopes) => scope.is_some_and(|scope| scopes.contains(&scope)),
        }
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub subject: Subject,
    /// What they may act as; a caller has few roles, so a list is enough.
    pub roles: Vec<RoleName>,
    /// The credential they used, by id: a session or a key. Never the credential itself.
    pub credential: Uuid,
    /// What that credential is good for.
    pub scopes: Scopes,
}

impl Caller {
    /// Whether the caller holds a role.
    pub fn has(&self, role: RoleName) -> bool {
        self.roles.contains(&role)
    }
}

/// What [`Authenticator::authenticate`] returns: `None` is a credential nobody (any longer) has.
pub type CallerFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Caller>, BoxFault>> + Send + 'a>>;

/// Turns a bearer credential into a caller.
///
/// Returns an error only when it could not find out; the fault's code must be one that
/// [`codes`](Authenticator::codes) declares.
pub trait Authenticator: Send + Sync + 'static {
    /// Looks the credential up. The credential has been bounded in length and nothing else.
    fn authenticate<'a>(&'a self, credential: &'a Secret<String>) -> CallerFuture<'a>;

    /// The codes a failure of the look-up itself can carry, beside `UNAUTHENTICATED`.
    fn codes(&self) -> Vec<crate::Code>;

    /// Whether it knows credentials of limited scope. Then every endpoint that is not public may
    /// answer `FORBIDDEN`.
    fn is_scoped(&self) -> bool {
        false
    }
}
