//! What the crate promises, over a real database. Every test here runs once on each engine, but for
//! those of the modules that carry an engine's name.

mod attempts;
mod cache;
mod claims;
mod constraints;
mod fixture;
mod health;
mod limiter;
mod migrations;
mod opening;
mod postgres;
mod process;
mod reading;
mod sqlite;
mod steps;
mod transactions;
mod units;
mod values;
