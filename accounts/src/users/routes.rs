//! The endpoints of users.

use std::time::Duration;

use mainstay::{
    store::StoreError,
    web::{
        self, Authenticated, Body, Created, IfMatch, Json, Limit, NoContent, Page, Path, Query,
        Routes, SelfOr, SignedIn, Tagged, Use, WithSession,
    },
};

use super::{
    error::{CreateError, DeleteError, LookupError, SetPasswordError, UpdateError},
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
const REGISTRATIONS: Limit = Limit::per_client(20, Duration::from_mins(1));

/// Guesses at the present password that a stolen token allows in a minute. Taste: a few slips.
const PASSWORDS: Limit = Limit::per_principal(5, Duration::from_mins(1));

/// The route table.
pub(crate) fn routes(users: Users, length: PasswordLength) -> Routes<Users> {
    match length {
        PasswordLength::SoleFactor => table::<SOLE_FACTOR>(users),
        PasswordLength::BesideAnother => table::<BESIDE_ANOTHER>(users),
    }
}

fn table<const MIN: u64>(users: Users) -> Routes<Users> {
    let create =
        web::post("/users", create::<MIN>).summary("Register").public().limit(REGISTRATIONS);
    let list =
        web::get("/users", list).summary("List users, newest first").allow(ADMIN).scope(USERS_READ);
    let get =
        web::get("/users/{id}", get).summary("Show a user").allow(SelfOr(ADMIN)).scope(USERS_READ);
    let update = web::patch("/users/{id}", update)
        .summary("Change a user")
        .allow(SelfOr(ADMIN))
        .scope(USERS_WRITE);
    let delete = web::delete("/users/{id}", delete)
        .summary("Remove a user")
        .allow(SelfOr(ADMIN))
        .scope(USERS_WRITE);
    let me = web::get("/me", me).summary("Show the caller").allow(Authenticated).scope(USERS_READ);
    let set_password = web::post("/me/password", set_password::<MIN>)
        .summary("Replace the caller's password, which ends all their sessions and keys")
        .allow(Authenticated)
        .limit(PASSWORDS);
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
) -> Result<Tagged<Json<User>>, LookupError> {
    Ok(tagged(users.get(caller.subject.into()).await?))
}

fn tagged(user: model::User) -> Tagged<Json<User>> {
    Tagged::new(user.version.0, Json(user.into()))
}
