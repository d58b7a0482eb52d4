//! What processes share of their caches, through Redis: values, and what is being written.
//!
//! Of each name there are two keys, on one node of a cluster. The *notice* is a hash with a field
//! for each write that is under way, whose value says until when, and `at`, the time of the last
//! change. Each change of a notice is pushed to every process ([`tracker`]), as all notices begin
//! alike and nothing else does. The *state* holds the value of an entry, or who has the right to
//! load it; or the number of a tag, by which a value says which one of its lives it belongs to.
//!
//! - `intent` comes before a commit: it notes the write, and deletes the state, and with it the
//!   right of whoever is loading. While it is there nobody may keep what they load.
//! - `publish` comes after the commit: it removes the note, and deletes the state again. A process
//!   that dies in between leaves a note, which ends by itself after more time than a commit takes.
//! - `look` answers with the value, with the right to load it, or with neither.
//! - `fill` keeps a value if the right to load it is still there: no write has begun since.
//! - `tag` gives the number of a tag, unless it is being written or was so after a load began.
//!
//! A value belongs to one run of the server and to one epoch: a server that is started again with
//! an old memory, or another one that takes its place, has no value of use; a new epoch ends all.
//! `intent`, `publish` and `epoch` work when the memory of the server is full. The others begin
//! with the change that takes memory: that is what a full server refuses, and only while it is the
//! first.

mod debts;
mod handle;
mod proof;
mod scripts;
mod tracker;

use std::time::Duration;

pub(super) use self::{
    debts::Owed,
    handle::Shared,
    scripts::{Look, Right},
};

/// Bounds of what is shared; see [`CachesOptions`](super::CachesOptions).
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) staleness: Duration,
    pub(super) settle: Duration,
    pub(super) write_max: Duration,
}

/// A word that nobody else has.
fn unique() -> String {
    format!("{:032x}", fastrand::u128(..))
}
