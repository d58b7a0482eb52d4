//! The endpoints of keys. None has a scope, so no key makes or removes keys.

use std::time::Duration;

use mainstay::web::{
    self, Authenticated, Body, Created, Limit, NoContent, Page, Path, Query, Routes, SignedIn, Use,
};

use super::{
    error::{CreateError, DeleteError, ListError},
    service::Keys,
    wire::{self, ById, CreateKey, Key, ListKeys, NewKey},
};

/// Keys that one account makes in a minute. Taste: a person sets up a few machines in one go.
const KEYS: Limit = Limit::per_principal(20, Duration::from_mins(1));

/// The route table.
pub(crate) fn routes(keys: Keys) -> Routes<Keys> {
    let create =
        web::post("/keys", create).summary("Make an API key").allow(Authenticated).limit(KEYS);
    let list = web::get("/keys", list).summary("List API keys, newest first").allow(Authenticated);
    let delete =
        web::delete("/keys/{id}", delete).summary("Remove an API key").allow(Authenticated);
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
