//! The service from outside: everything here goes through HTTP or the command line.

mod authorization;
mod command_line;
mod contract;
mod cookies;
mod crash;
mod degraded;
mod discipline;
mod every_refusal;
mod flags;
mod guessing;
mod idempotency;
mod keyed_crashes;
mod keys;
mod limits;
mod listing;
mod passwords;
mod postgres;
mod privacy;
mod process;
mod refusals;
mod registration;
mod security_events;
mod sessions;
mod sqlite;
mod support;
mod users;
