//! `Path<T>`: the parameters of the path, checked against the contract of `T`.

use axum::{extract::FromRequestParts, http::request::Parts};
use mainstay_core::Location;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{context, contracts, invalid};
use crate::{
    endpoint::{Describe, Operation},
    respond::Problem,
};

/// The parameters of the path as a struct whose fields carry the template's names.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: JsonSchema + 'static> Describe for Path<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_parameters::<T>(Location::Path);
    }
}

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = context()?;
        let params = context.path_params(parts.uri.path());
        let contract = contracts::mounted::<T>()?;
        contract.read_path(params.iter()).map(Self).map_err(invalid)
    }
}
