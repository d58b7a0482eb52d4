//! `Use<S>`: the module's own state, usually its service.

use std::{convert::Infallible, ops::Deref};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::endpoint::{Describe, Operation};

/// The state that the module's [`Routes`](crate::Routes) were made with.
#[derive(Clone, Copy, Debug)]
pub struct Use<S>(pub S);

impl<S> Deref for Use<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> Describe for Use<S> {
    fn describe(_: &mut Operation) {}
}

impl<S: Clone + Send + Sync> FromRequestParts<S> for Use<S> {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(state.clone()))
    }
}
