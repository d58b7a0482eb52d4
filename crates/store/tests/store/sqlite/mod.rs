//! What only the embedded engine promises: one writer with one queue, and files. It runs on SQLite
//! whichever engine the run of the tests is about.

mod backup;
mod failures;
mod fixture;
mod group_commit;
mod health;
mod killed;
mod migrations;
mod opening;
mod queues;
mod throughput;

pub(crate) use fixture::memory;
