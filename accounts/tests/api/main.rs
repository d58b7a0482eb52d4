//! The service from outside: everything here goes through HTTP or the command line.

mod authorization;
mod command_line;
mod contract;
mod crash;
mod degraded;
mod discipline;
mod every_refusal;
mod limits;
mod listing;
mod privacy;
mod process;
mod refusals;
mod registration;
mod sessions;
mod support;
mod users;
