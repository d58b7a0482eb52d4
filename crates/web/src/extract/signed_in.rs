//! `SignedIn`: the caller, on endpoints whose access policy has let one through.

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Caller;

use crate::{
    codes,
    context::current,
    endpoint::{Describe, Operation},
    respond::Problem,
};

/// The authenticated caller. Only for endpoints with `.allow(…)`: mounting a public endpoint that
/// asks for it fails at start-up.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Caller);

impl Describe for SignedIn {
    fn describe(operation: &mut Operation) {
        operation.needs_caller();
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = current(|request| request.caller().cloned()).flatten();
        caller.map(Self).ok_or_else(|| Problem::new(codes::UNAUTHENTICATED))
    }
}
