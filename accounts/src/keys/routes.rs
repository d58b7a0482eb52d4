//! The endpoints of keys.

use std::time::Duration;

use mainstay::{
    core::OutageMode,
    web::{
        self, Authenticated, Body, Cache, Created, Limit, NoContent, Page, Path, Query, Repeat,
        Routes, SignedIn, Use,
    },
};

use super::{
    error::{CreateError, DeleteError, ListError},
    service::Keys,
    wire::{self, ById, CreateKey, Key, ListKeys, NewKey},
};

/// Keys that one account makes in a minute. Taste: a person sets up a few machines in one go.
/// When nobody can count, each process goes on with its own share: an account has only so many
/// keys.
const KEYS: Limit = Limit::per_principal(20, Duration::from_mins(1)).on_outage(OutageMode::Local);

/// Ten times the largest request for a key.
const KEY_BYTES_MAX: usize = 16 << 10;

/// Why no key reaches these endpoints.
const NO_KEYS: &str = "a key that leaked must not make another";

/// The route table.
pub(crate) fn routes(keys: Keys) -> Routes<Keys> {
    let create = web::post("/keys", create)
        .summary("Make an API key")
        .allow(Authenticated)
        .without_scope(NO_KEYS)
        .limit(KEYS)
        .body_bytes_max(KEY_BYTES_MAX)
        .on_repeat(Repeat::Again("every key is told once, so a lost answer needs another key"));
    let list = web::get("/keys", list)
        .summary("List API keys, newest first")
        .allow(Authenticated)
        .without_scope(NO_KEYS)
        .cache(Cache::NoStore);
    let delete = web::delete("/keys/{id}", delete)
        .summary("Remove an API key")
        .allow(Authenticated)
        .without_scope(NO_KEYS);
    Routes::new("keys", keys).add(create).add(list).add(delete)
}

async fn create(
    keys: Use<Keys>,
    SignedIn(caller): SignedIn,
    Body(body): Body<CreateKey>,
) -> Result<Created<NewKey>, CreateError> {
    let (key, token) = keys.create(body.into(), &caller).await?;
    Ok(Created::at(format!("/keys/{}", key.id.0), NewKey::new(key, &token)))
}

async fn list(
    keys: Use<Keys>,
    SignedIn(caller): SignedIn,
    Query(query): Query<ListKeys>,
) -> Result<Page<Key>, ListError> {
    Ok(wire::page(keys.list(query.into(), &caller).await?))
}

async fn delete(
    keys: Use<Keys>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ById>,
) -> Result<NoContent, DeleteError> {
    keys.delete(path.into(), &caller).await?;
    Ok(NoContent)
}
