//! The endpoints of flags.

use std::time::Duration;

use mainstay::{
    core::{OutageMode, Subject},
    store::StoreError,
    web::{
        self, Authenticated, Body, Cache, Created, IfMatch, Json, Limit, NoContent, Page, Path,
        Query, Repeat, RequireIfMatch, Routes, SignedIn, Tagged, Use,
    },
};

use super::{
    error::{CreateError, DeleteError, EvaluateAllError, EvaluateError, LookupError, UpdateError},
    model::{ADMIN, FLAGS_READ, FLAGS_WRITE},
    service::Flags,
    wire::{
        self, ByKey, Change, CreateFlag, EvaluateFlag, EvaluateFlags, Evaluation, Evaluations,
        Flag, ListChanges, ListFlags, ReplaceFlag,
    },
};

/// Changes that one administrator makes in a minute. Taste: somebody who switches by hand, or a
/// script that sets up a new environment in a quarter of an hour. When nobody can count, each
/// process goes on with its own share: what is wrong must be switched off at any time.
const CHANGES: Limit =
    Limit::per_principal(60, Duration::from_mins(1)).on_outage(OutageMode::Local);

/// Evaluations that one subject asks for in a minute: a hundred a second, for a service that asks
/// for each request of its own. When nobody can count, each process goes on with its own share:
/// they only read.
const EVALUATIONS: Limit =
    Limit::per_principal(6000, Duration::from_mins(1)).on_outage(OutageMode::Local);

/// Twice the largest flag: a thousand ids of 39 bytes, and a description all in escapes.
const FLAG_BYTES_MAX: usize = 128 << 10;

/// Twice the largest list of keys.
const EVALUATIONS_BYTES_MAX: usize = 16 << 10;

/// The route table.
pub(crate) fn routes(flags: Flags) -> Routes<Flags> {
    let create = web::post("/flags", create)
        .summary("Make a feature flag")
        .allow(ADMIN)
        .scope(FLAGS_WRITE)
        .limit(CHANGES)
        .body_bytes_max(FLAG_BYTES_MAX)
        .on_repeat(Repeat::ByKey);
    let list = web::get("/flags", list)
        .summary("List feature flags by key")
        .allow(Authenticated)
        .scope(FLAGS_READ)
        .cache(Cache::NoStore);
    let get = web::get("/flags/{key}", get)
        .summary("Show a feature flag")
        .allow(Authenticated)
        .scope(FLAGS_READ)
        .cache(Cache::NoStore);
    let update = web::put("/flags/{key}", update)
        .summary("Replace a feature flag")
        .allow(ADMIN)
        .scope(FLAGS_WRITE)
        .limit(CHANGES)
        .body_bytes_max(FLAG_BYTES_MAX);
    let delete = web::delete("/flags/{key}", delete)
        .summary("Remove a feature flag that no other requires")
        .allow(ADMIN)
        .scope(FLAGS_WRITE)
        .limit(CHANGES);
    let changes = web::get("/flags/{key}/changes", changes)
        .summary("List who changed a feature flag, newest first, also after its removal")
        .allow(ADMIN)
        .scope(FLAGS_READ)
        .cache(Cache::NoStore);
    let evaluate = web::get("/flags/{key}/evaluation", evaluate)
        .summary("Evaluate a feature flag")
        .allow(Authenticated)
        .scope(FLAGS_READ)
        .limit(EVALUATIONS)
        .cache(Cache::NoStore);
    let evaluate_all = web::post("/flags/evaluations", evaluate_all)
        .summary("Evaluate many feature flags, or all")
        .allow(Authenticated)
        .scope(FLAGS_READ)
        .limit(EVALUATIONS)
        .body_bytes_max(EVALUATIONS_BYTES_MAX)
        .on_repeat(Repeat::NoEffect("it only reads"));
    Routes::new("flags", flags)
        .add(create)
        .add(list)
        .add(get)
        .add(update)
        .add(delete)
        .add(changes)
        .add(evaluate)
        .add(evaluate_all)
}

async fn create(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Body(body): Body<CreateFlag>,
) -> Result<Tagged<Created<Flag>>, CreateError> {
    let shown = flags.create(body.into(), &caller).await?;
    let (version, place) = (shown.flag.version.0, format!("/flags/{}", shown.flag.key.0));
    Ok(Tagged::new(version, Created::at(place, shown.into())))
}

async fn list(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Query(query): Query<ListFlags>,
) -> Result<Page<Flag>, StoreError> {
    let ListFlags { limit, cursor } = query;
    let after = cursor.map(Into::into);
    Ok(wire::page(flags.list(after.as_ref(), limit, &caller).await?))
}

async fn get(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ByKey>,
) -> Result<Tagged<Json<Flag>>, LookupError> {
    let shown = flags.get(&path.into(), &caller).await?;
    Ok(Tagged::new(shown.flag.version.0, Json(shown.into())))
}

async fn update(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ByKey>,
    RequireIfMatch(condition): RequireIfMatch,
    Body(body): Body<ReplaceFlag>,
) -> Result<Tagged<Json<Flag>>, UpdateError> {
    let shown = flags.update(&path.into(), body.into(), &condition, &caller).await?;
    Ok(Tagged::new(shown.flag.version.0, Json(shown.into())))
}

async fn delete(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ByKey>,
    IfMatch(condition): IfMatch,
) -> Result<NoContent, DeleteError> {
    flags.delete(&path.into(), &condition, &caller).await?;
    Ok(NoContent)
}

async fn changes(
    flags: Use<Flags>,
    Path(path): Path<ByKey>,
    Query(query): Query<ListChanges>,
) -> Result<Page<Change>, StoreError> {
    Ok(wire::changes(flags.changes(&path.into(), query.before(), query.limit).await?))
}

async fn evaluate(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Path(path): Path<ByKey>,
    Query(query): Query<EvaluateFlag>,
) -> Result<Json<Evaluation>, EvaluateError> {
    Ok(Json(flags.evaluate(path.into(), query.into(), &caller).await?.into()))
}

async fn evaluate_all(
    flags: Use<Flags>,
    SignedIn(caller): SignedIn,
    Body(body): Body<EvaluateFlags>,
) -> Result<Json<Evaluations>, EvaluateAllError> {
    let EvaluateFlags { keys, subject } = body;
    let (keys, subject) = (keys.map(wire::keys), subject.map(Subject));
    Ok(Json(flags.evaluate_all(keys, subject, &caller).await?.into()))
}
