//! `Query<T>`: the query string, checked against the contract of `T`.

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Location;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{contracts, invalid};
use crate::{
    endpoint::{Describe, Operation},
    respond::Problem,
};

/// The query string as a struct. A parameter the struct does not know is refused.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: JsonSchema + 'static> Describe for Query<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_parameters::<T>(Location::Query);
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let contract = contracts::mounted::<T>()?;
        contract.read_query(parts.uri.query().unwrap_or_default()).map(Self).map_err(invalid)
    }
}
