//! Caches: what they serve, to whom, and for how long.

mod interleavings;
mod local;
mod support;
mod units;
