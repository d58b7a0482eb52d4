//! The endpoints of sessions.

use std::time::Duration;

use mainstay::{
    core::OutageMode,
    store::StoreError,
    web::{
        self, Authenticated, Body, Created, Device, Limit, NoContent, Page, Path, Presented,
        Routes, SignedIn, Transport, Use, WithSession,
    },
};

use super::{
    error::{CreateError, DeleteError},
    model::Origin,
    service::Sessions,
    wire::{self, ById, LogIn, NewSession, OfUser, Session},
};
use crate::users::ADMIN;

/// Log-ins from one address in a minute: enough for a person who tries every password they know,
/// and 14,400 guesses a day for somebody who tries ours. When nobody counts, nobody guesses.
const LOG_INS: Limit = Limit::per_client(10, Duration::from_mins(1)).on_outage(OutageMode::Closed);

/// The route table.
pub(crate) fn routes(sessions: Sessions) -> Routes<Sessions> {
    let create = web::post("/sessions", create).summary("Log in").public().limit(LOG_INS);
    let list = web::get("/sessions", list)
        .summary("List the caller's sessions, newest first")
        .allow(Authenticated);
    let delete = web::delete("/sessions/{id}", delete)
        .summary("End one of the caller's sessions")
        .allow(Authenticated);
    let delete_others = web::delete("/sessions/others", delete_others)
        .summary("End all of the caller's sessions but this one")
        .allow(Authenticated);
    let delete_current =
        web::delete("/sessions/current", delete_current).summary("Log out").allow(Authenticated);
    let delete_all =
        web::delete("/sessions", delete_all).summary("Log out everywhere").allow(Authenticated);
    let delete_of_user = web::delete("/users/{id}/sessions", delete_of_user)
        .summary("End every session of a user")
        .allow(ADMIN);
    Routes::new("sessions", sessions)
        .add(create)
        .add(list)
        .add(delete)
        .add(delete_current)
        .add(delete_others)
        .add(delete_of_user)
        .add(delete_all)
}

async fn create(
    sessions: Use<Sessions>,
    transport: Transport,
    device: Device,
    Presented(presented): Presented,
    Body(body): Body<LogIn>,
) -> Result<WithSession<Created<NewSession>>, CreateError> {
    let origin = Origin { device: device.to_string(), presented };
    let (session, token) = sessions.create(&body.into(), origin).await?;
    let location = format!("/sessions/{}", session.id.0);
    let answer = Created::at(location, NewSession::new(&session, &token, transport));
    Ok(WithSession::begin(token.into_secret(), session.lifetime(), answer))
}

async fn list(
    sessions: Use<Sessions>,
    SignedIn(caller): SignedIn,
) -> Result<Page<Session>, StoreError> {
    Ok(wire::page(sessions.list(&caller).await?, &caller))
}

async fn delete(
    sessions: Use<Sessions>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ById>,
) -> Result<NoContent, DeleteError> {
    sessions.delete(path.into(), &caller).await?;
    Ok(NoContent)
}

async fn delete_current(
    sessions: Use<Sessions>,
    SignedIn(caller): SignedIn,
) -> Result<WithSession<NoContent>, StoreError> {
    sessions.delete_current(&caller).await?;
    Ok(WithSession::end(NoContent))
}

async fn delete_others(
    sessions: Use<Sessions>,
    SignedIn(caller): SignedIn,
) -> Result<NoContent, StoreError> {
    sessions.delete_others(&caller).await?;
    Ok(NoContent)
}

async fn delete_of_user(
    sessions: Use<Sessions>,
    Path(path): Path<OfUser>,
) -> Result<NoContent, StoreError> {
    sessions.delete_of_user(path.into()).await?;
    Ok(NoContent)
}

async fn delete_all(
    sessions: Use<Sessions>,
    SignedIn(caller): SignedIn,
) -> Result<WithSession<NoContent>, StoreError> {
    sessions.delete_all(&caller).await?;
    Ok(WithSession::end(NoContent))
}
