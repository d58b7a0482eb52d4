//! Caches: what they serve, to whom, and for how long.

mod groups;
mod interleavings;
mod local;
mod outages;
mod processes;
mod shared;
mod support;
mod units;
