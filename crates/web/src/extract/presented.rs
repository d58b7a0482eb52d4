//! `Presented`: the credential that the caller of a public endpoint happens to have.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Secret;

use crate::{
    context::current,
    edge::Credential,
    endpoint::{Describe, Operation},
};

/// A credential that nobody has looked at: good or not, or none.
///
/// For a log-in, which ends the session that its caller came with. It signs nobody in.
#[derive(Clone, Debug)]
pub struct Presented(pub Option<Secret<String>>);

impl Describe for Presented {
    fn describe(_: &mut Operation) {}
}

impl<S: Send + Sync> FromRequestParts<S> for Presented {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let transport = current(|request| request.transport).unwrap_or_default();
        Ok(Self(match Credential::of(&parts.headers, transport) {
            Credential::Bearer(credential) | Credential::Cookie(credential) => Some(credential),
            Credential::Absent | Credential::Unusable => None,
        }))
    }
}
