//! The endpoints of users.

use std::time::Duration;

use mainstay::{
    core::OutageMode,
    store::StoreError,
    web::{
        self, Authenticated, Body, Cache, Created, IfMatch, Json, Limit, NoContent, Page, Path,
        Query, Repeat, Routes, SelfOr, SignedIn, Tagged, Use,
    },
};

use super::{
    error::{CallerError, CreateError, DeleteError, LookupError, UpdateError},
    model::{self, ADMIN},
    service::Users,
    wire::{self, ById, CreateUser, ListUsers, UpdateUser, User},
};

/// Registrations from one address in a minute: a class of people behind one gateway fits, a script
/// that fills the table does not.
///
/// When nobody can count, each process goes on with its own share: a registration takes nothing
/// from anybody.
const REGISTRATIONS: Limit =
    Limit::per_client(20, Duration::from_mins(1)).on_outage(OutageMode::Local);

/// Ten times the largest registration.
const REGISTRATION_BYTES_MAX: usize = 16 << 10;

/// The route table.
pub(crate) fn routes(users: Users) -> Routes<Users> {
    let create = web::post("/users", create)
        .summary("Register")
        .public()
        .limit(REGISTRATIONS)
        .body_bytes_max(REGISTRATION_BYTES_MAX)
        .on_repeat(Repeat::NoEffect("a second registration answers EMAIL_TAKEN"));
    let list = web::get("/users", list)
        .summary("List users, newest first")
        .allow(ADMIN)
        .cache(Cache::NoStore);
    let get = web::get("/users/{id}", get)
        .summary("Show a user")
        .allow(SelfOr(ADMIN))
        .cache(Cache::NoStore);
    let update = web::patch("/users/{id}", update)
        .summary("Change a user")
        .allow(SelfOr(ADMIN))
        .on_repeat(Repeat::NoEffect("the same values are set, which changes nothing"));
    let delete = web::delete("/users/{id}", delete).summary("Remove a user").allow(SelfOr(ADMIN));
    let me =
        web::get("/me", me).summary("Show the caller").allow(Authenticated).cache(Cache::NoStore);
    Routes::new("users", users).add(create).add(list).add(get).add(update).add(delete).add(me)
}

async fn create(
    users: Use<Users>,
    Body(body): Body<CreateUser>,
) -> Result<Created<User>, CreateError> {
    let user = users.create(body.into()).await?;
    Ok(Created::at(format!("/users/{}", user.id.0), user.into()))
}

async fn list(users: Use<Users>, Query(query): Query<ListUsers>) -> Result<Page<User>, StoreError> {
    Ok(wire::page(users.list(query.into()).await?))
}

async fn get(users: Use<Users>, Path(path): Path<ById>) -> Result<Tagged<Json<User>>, LookupError> {
    Ok(tagged(users.get(path.into()).await?))
}

async fn update(
    users: Use<Users>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ById>,
    IfMatch(condition): IfMatch,
    Body(body): Body<UpdateUser>,
) -> Result<Tagged<Json<User>>, UpdateError> {
    Ok(tagged(users.update(path.into(), body.into(), condition, &caller).await?))
}

async fn delete(
    users: Use<Users>,
    Path(path): Path<ById>,
    IfMatch(condition): IfMatch,
) -> Result<NoContent, DeleteError> {
    users.delete(path.into(), condition).await?;
    Ok(NoContent)
}

async fn me(
    users: Use<Users>,
    SignedIn(caller): SignedIn,
) -> Result<Tagged<Json<User>>, CallerError> {
    Ok(tagged(users.get_caller(caller.subject.into()).await?))
}

fn tagged(user: model::User) -> Tagged<Json<User>> {
    Tagged::new(user.version.0, Json(user.into()))
}
