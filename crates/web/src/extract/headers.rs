//! `Headers<T>`: the request headers an endpoint knows, checked against the contract of `T`.

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Location;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{contracts, invalid};
use crate::{
    endpoint::{Describe, Operation},
    respond::Problem,
};

/// The headers named by the fields of a struct (`#[serde(rename_all = "kebab-case")]`). Headers
/// that the struct does not know are left alone.
#[derive(Clone, Copy, Debug)]
pub struct Headers<T>(pub T);

impl<T: JsonSchema + 'static> Describe for Headers<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_parameters::<T>(Location::Header);
    }
}

impl<T, S> FromRequestParts<S> for Headers<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let contract = contracts::mounted::<T>()?;
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        contract.read_headers(headers).map(Self).map_err(invalid)
    }
}
