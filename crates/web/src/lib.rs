//! The HTTP edge of Mainstay: typed endpoints, and one request life around all of them.
//!
//! Reading order: [`endpoint`] (what is decided about an endpoint), [`extract`] and [`respond`]
//! (what a handler takes and gives), [`edge`] (the life of a request, top to bottom), [`server`]
//! (sockets). `docs/request-life.md` shows the same on one screen.

pub mod codes;
pub mod contract;
pub mod discipline;
pub mod edge;
pub mod endpoint;
pub mod extract;
pub mod openapi;
pub mod ops;
pub mod respond;
pub mod security;

pub mod server;

mod context;

pub use context::{Context, current};
pub use edge::{Edge, EdgeBuilder, EdgeOptions, EdgeParts};
pub use endpoint::{
    Authenticated, Cache, Endpoint, Limit, PathParams, Permission, Policy, Repeat, Routes, SelfOr,
    delete, get, patch, post, put,
};
pub use extract::{
    Body, Device, Headers, IfMatch, Path, Presented, Query, RequireIfMatch, SignedIn, Transport,
    Use,
};
pub use respond::{Created, Json, NoContent, Page, Problem, Tagged, WithSession};
