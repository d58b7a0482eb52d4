//! Endpoints to judge: some with everything that is asked for, some with one thing amiss.

use std::collections::BTreeMap;

use mainstay_core::{Pii, Secret};
use mainstay_web::{Body, Headers, IfMatch, Json, NoContent, Path, Query, RequireIfMatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Only schemas are of interest here, so the fields are read once and for all.
macro_rules! input {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $($(#[$meta])* $field: $type,)* }

        impl $name {
            pub(super) fn read(&self) {
                $(let _ = &self.$field;)*
            }
        }
    };
}

input!(Id {
    /// Which.
    id: u32,
});
input!(Greeting {
    /// What to say.
    #[schemars(length(max = 20))]
    text: String,
});
input!(LogIn {
    /// Of the account.
    #[schemars(length(max = 20))]
    password: Option<Secret<String>>,
});
input!(Loose {
    /// Of any length.
    text: String,
    /// Any number.
    #[schemars(inner(length(max = 5)))]
    tags: Vec<String>,
    /// Any number, with any keys.
    words: BTreeMap<String, u32>,
    /// One inside of another.
    inner: Inner,
});
input!(Inner {
    /// Of any length as well.
    note: Option<String>,
});
input!(ByName {
    /// Who.
    #[schemars(length(max = 20))]
    name: Pii<String>,
});
input!(ByKey {
    /// The proof.
    #[schemars(length(max = 20))]
    key: Secret<String>,
});
input!(Mute {
    #[schemars(length(max = 20))]
    text: String,
});

/// An answer that explains itself.
#[derive(Serialize, JsonSchema)]
pub(super) struct Thing {
    /// Which.
    id: u32,
}

/// An answer that does not.
#[derive(Serialize, JsonSchema)]
pub(super) struct Silent {
    id: u32,
}

pub(super) async fn show(Path(id): Path<Id>) -> Json<Thing> {
    id.read();
    Json(Thing { id: 1 })
}

pub(super) async fn create(Body(body): Body<Greeting>) -> NoContent {
    body.read();
    NoContent
}

pub(super) async fn log_in(Body(body): Body<LogIn>) -> NoContent {
    body.read();
    NoContent
}

pub(super) async fn change(_: IfMatch, Body(body): Body<Greeting>) -> NoContent {
    body.read();
    NoContent
}

pub(super) async fn replace(_: RequireIfMatch, Body(body): Body<Greeting>) -> NoContent {
    body.read();
    NoContent
}

pub(super) async fn take_anything(Body(body): Body<Loose>) -> NoContent {
    body.inner.read();
    body.read();
    NoContent
}

pub(super) async fn by_name(Path(path): Path<ByName>) -> Json<Thing> {
    path.read();
    Json(Thing { id: 1 })
}

pub(super) async fn by_key(Query(query): Query<ByKey>) -> Json<Thing> {
    query.read();
    Json(Thing { id: 1 })
}

pub(super) async fn by_header(Headers(headers): Headers<ByKey>) -> Json<Thing> {
    headers.read();
    Json(Thing { id: 1 })
}

pub(super) async fn mute(Query(query): Query<Mute>) -> Json<Silent> {
    query.read();
    Json(Silent { id: 1 })
}
