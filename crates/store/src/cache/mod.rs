//! Values that are read more often than written, kept in this process and, where they may be seen,
//! in Redis.
//!
//! No process serves what was there before an acknowledged write for longer than a stated time, and
//! the one that wrote does not at all. How that is kept: an entry is legal as long as nothing it
//! stands for was invalidated since its load began ([`fences`]); it is served only while it is
//! proved that invalidations arrive ([`shared`]); and a write says what it is about to change
//! before its commit, and that it has changed after it ([`write`]).

mod caches;
mod far;
mod fences;
mod flights;
mod handle;
mod load;
mod name;
mod near;
mod shared;
mod spec;
mod stats;
mod write;

pub use caches::{Caches, CachesOptions, CachesState};
pub use handle::Cache;
pub use name::Tag;
pub use spec::{CacheSpec, OnOutage};
pub use stats::CacheStats;
pub use write::Scope;
