//! `SignedIn`: the caller, on endpoints whose access policy has let one through.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Caller;

use crate::{
    codes,
    context::Context,
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

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = parts.extensions.get::<Arc<Context>>();
        let caller = context.and_then(|context| context.caller()).cloned();
        caller.map(Self).ok_or_else(|| Problem::new(codes::UNAUTHENTICATED))
    }
}
