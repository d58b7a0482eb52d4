//! What the crate promises, over real files.

mod backup;
mod constraints;
mod failures;
mod fixture;
mod group_commit;
mod health;
mod limiter;
mod migrations;
mod opening;
mod postgres;
mod reading;
mod throughput;
mod transactions;
mod values;
