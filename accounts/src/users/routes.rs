//! The endpoints of users.

use std::time::Duration;

use mainstay::{
    core::OutageMode,
    store::StoreError,
    web::{
        self, Authenticated, Body, Cache, Created, IfMatch, Json, Limit, NoContent, Page, Path,
        Query, Repeat, Routes, SelfOr, SignedIn, Tagged, Use, WithSession,
    },
};

use super::{
    error::{CallerError, CreateError, DeleteError, LookupError, SetPasswordError, UpdateError},
    model::{self, ADMIN, USERS_READ, USERS_WRITE},
    service::Users,
    wire::{
        self, BESIDE_ANOTHER, ById, CreateUser, ListUsers, SOLE_FACTOR, SetPassword, UpdateUser,
        User,
    },
};
use crate::config::PasswordLength;

/// Registrations from one address in a minute: a class of people behind one gateway fits, a script
/// that fills the table does not.
///
/// When nobody can count, each process goes on with its own share: a registration takes nothing
/// from anybody.
const REGISTRATIONS: Limit =
    Limit::per_client(20, Duration::from_mins(1)).on_outage(OutageMode::Local);

/// Ten times the largest registration.
const REGISTRATION_BYTES_MAX: usize = 16 << 10;

/// Guesses at the present password that a stolen token allows in a minute. Taste: a few slips.
/// When nobody can count, nobody guesses.
const PASSWORDS: Limit =
    Limit::per_principal(5, Duration::from_mins(1)).on_outage(OutageMode::Closed);

/// Ten times the largest pair of passwords.
const PASSWORD_BYTES_MAX: usize = 16 << 10;

/// The route table.
pub(crate) fn routes(users: Users, length: PasswordLength) -> Routes<Users> {
    match length {
        PasswordLength::SoleFactor => table::<SOLE_FACTOR>(users),
        PasswordLength::BesideAnother => table::<BESIDE_ANOTHER>(users),
    }
}

fn table<const MIN: u64>(users: Users) -> Routes<Users> {
    let create = web::post("/users", create::<MIN>)
        .summary("Register")
        .public()
        .limit(REGISTRATIONS)
        .body_bytes_max(REGISTRATION_BYTES_MAX)
        .on_repeat(Repeat::ByKey);
    let list = web::get("/users", list)
        .summary("List users, newest first")
        .allow(ADMIN)
        .scope(USERS_READ)
        .cache(Cache::NoStore);
    let get = web::get("/users/{id}", get)
        .summary("Show a user")
        .allow(SelfOr(ADMIN))
        .scope(USERS_READ)
        .cache(Cache::NoStore);
    let update = web::patch("/users/{id}", update)
        .summary("Change a user")
        .allow(SelfOr(ADMIN))
        .scope(USERS_WRITE)
        .on_repeat(Repeat::NoEffect("the same values are set, which changes nothing"));
    let delete = web::delete("/users/{id}", delete)
        .summary("Remove a user")
        .allow(SelfOr(ADMIN))
        .scope(USERS_WRITE);
    let me = web::get("/me", me)
        .summary("Show the caller")
        .allow(Authenticated)
        .scope(USERS_READ)
        .cache(Cache::NoStore);
    let set_password = web::post("/me/password", set_password::<MIN>)
        .summary("Replace the caller's password, which ends all their sessions and keys")
        .allow(Authenticated)
        .without_scope("a machine has no password")
        .limit(PASSWORDS)
        .body_bytes_max(PASSWORD_BYTES_MAX)
        .on_repeat(Repeat::NoEffect("the session of the first one has ended, so nobody is known"));
    Routes::new("users", users)
        .add(create)
        .add(list)
        .add(get)
        .add(update)
        .add(delete)
        .add(me)
        .add(set_password)
}

async fn create<const MIN: u64>(
    users: Use<Users>,
    Body(body): Body<CreateUser<MIN>>,
) -> Result<Created<User>, CreateError> {
    let user = users.create(body.into()).await?;
    Ok(Created::at(format!("/users/{}", user.id.0), user.into()))
}

async fn set_password<const MIN: u64>(
    users: Use<Users>,
    SignedIn(caller): SignedIn,
    Body(body): Body<SetPassword<MIN>>,
) -> Result<WithSession<NoContent>, SetPasswordError> {
    users.set_password(caller.subject.into(), body.into()).await?;
    Ok(WithSession::end(NoContent))
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
