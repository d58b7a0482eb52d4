//! `Transport`: how signed-in clients send their credential.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    context::current,
    endpoint::{Describe, Operation},
};

/// How a session's token travels. Bearer tokens are taken in either mode: machines have no cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the body of the log-in, and then in `Authorization`.
    #[default]
    Bearer,
    /// In a cookie that no script can read; see [`WithSession`](crate::WithSession).
    Cookie,
}

impl Describe for Transport {
    fn describe(_: &mut Operation) {}
}

impl<S: Send + Sync> FromRequestParts<S> for Transport {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(current(|request| request.transport).unwrap_or_default())
    }
}
