//! `Fault`: an error that knows its code and what may be said about it in public, and knows no
//! HTTP.

use std::{borrow::Cow, convert::Infallible, error::Error, time::Duration};

use crate::code::Code;

/// An error a caller can be told about.
///
/// The public half is [`code`](Fault::code), [`detail`](Fault::detail), [`fields`](Fault::fields)
/// and [`retry_after`](Fault::retry_after). The private half is the error's `source()` chain: it
/// reaches the request line and nothing else. Derive it with `#[derive(Fault)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Fault`, so an endpoint cannot answer with it",
    label = "this error has no code, kind and public message",
    note = "derive it: `#[derive(Debug, thiserror::Error, Fault)]` and give each variant \
            `#[fault(not_found, code = \"USER_NOT_FOUND\")]` (or `#[fault(from)]` to pass another \
            fault on)"
)]
pub trait Fault: Error + Send + Sync + 'static {
    /// The registry entry that clients branch on.
    fn code(&self) -> Code;

    /// The public message: a fixed sentence, free of request data and of internals.
    fn detail(&self) -> Cow<'static, str>;

    /// The inputs at fault, if this is about inputs.
    fn fields(&self) -> &[FieldProblem] {
        &[]
    }

    /// When trying again may succeed; `None` when waiting does not help.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// The closed set of codes a type may answer with: what OpenAPI publishes and the edge enforces.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare which codes it can answer with",
    note = "`#[derive(Fault)]` on the error type declares them"
)]
pub trait FaultSet {
    /// Appends every code of the set; order and repetition do not matter.
    fn declare(codes: &mut Vec<Code>);
}

/// A handler that cannot fail declares nothing.
impl FaultSet for Infallible {
    fn declare(_: &mut Vec<Code>) {}
}

impl Fault for Infallible {
    fn code(&self) -> Code {
        match *self {}
    }

    fn detail(&self) -> Cow<'static, str> {
        match *self {}
    }
}

/// Any fault behind a pointer.
pub type DynFault = dyn Fault;

/// An owned fault whose type is not known.
pub type BoxFault = Box<DynFault>;

/// Which part of the request a [`FieldProblem`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// The JSON body.
    Body,
    /// The query string.
    Query,
    /// A parameter of the path.
    Path,
    /// A header.
    Header,
}

impl Location {
    /// The name used in problem documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Query => "query",
            Self::Path => "path",
            Self::Header => "header",
        }
    }
}

/// One thing wrong with one input. Holds no part of the rejected value: a pointer is built from the
/// contract's own names, and from array positions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldProblem {
    /// Where the pointer starts.
    pub location: Location,
    /// RFC 6901 JSON Pointer; empty for the whole input.
    pub pointer: String,
    /// `snake_case`, one per rule: `too_short`, `not_an_email`, `unknown_field`.
    pub code: &'static str,
    /// One sentence for people, made from the rule and never from the value.
    pub message: Cow<'static, str>,
}

impl FieldProblem {
    /// A problem in the JSON body.
    pub fn body(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { location: Location::Body, pointer: pointer.into(), code, message: message.into() }
    }

    /// The same problem in another part of the request.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }
}
