//! The compiled contract of each input type, made once per type.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use schemars::JsonSchema;

use crate::{codes, contract::Contract, respond::Problem};

/// Contracts live as long as the process: their number is the number of input types.
static COMPILED: RwLock<Option<HashMap<TypeId, &'static Contract, foldhash::fast::RandomState>>> =
    RwLock::new(None);

/// The contract of `T` while a request is served: mounting its endpoint has compiled it.
pub(super) fn mounted<T: JsonSchema + 'static>() -> Result<&'static Contract, Problem> {
    of::<T>().map_err(|unsupported| Problem::new(codes::INTERNAL).caused_by(unsupported))
}

/// The contract of `T`, or why its schema promises something the validator cannot hold.
pub(crate) fn of<T: JsonSchema + 'static>() -> Result<&'static Contract, String> {
    let key = TypeId::of::<T>();
    let known = COMPILED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(contract) = known.as_ref().and_then(|map| map.get(&key)) {
        return Ok(contract);
    }
    drop(known);
    let contract: &'static Contract =
        Box::leak(Box::new(Contract::of::<T>().map_err(|unsupported| unsupported.to_string())?));
    let mut compiled = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    Ok(compiled.get_or_insert_default().entry(key).or_insert(contract))
}
