//! What only the embedded engine promises: one writer with one queue, and files. The run of `cargo
//! xtask test` on PostgreSQL leaves this module out.

mod backup;
mod failures;
mod fixture;
mod group_commit;
mod health;
mod migrations;
mod opening;
mod queues;
mod throughput;
