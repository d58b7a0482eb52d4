//! `GET /discipline`, for operators: the matrix of the service that runs.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    Cache, Routes, Use, get,
    openapi::{JsonText, Static},
};

/// The matrix as JSON. It is rendered once the edges it describes are built, one of which serves
/// it, so it is put here afterwards.
pub type Published = Arc<OnceLock<Bytes>>;

/// The endpoint. Not for the API's listener: it shows where the source is.
pub fn routes(published: Published) -> Routes<Published> {
    let discipline = get("/discipline", discipline)
        .public()
        .unlimited("only operators reach this listener")
        .cache(Cache::NoStore)
        .summary("What is decided about every endpoint");
    Routes::new("ops", published).add(discipline)
}

async fn discipline(published: Use<Published>) -> Static<JsonText> {
    Static::new(published.get().cloned())
}
