//! The edge over a small service: every step of the request life, and what every answer carries.

mod access;
mod answer;
mod browsers;
mod caching;
mod contradictions;
mod discipline;
mod document;
mod endings;
mod harness;
mod heads;
mod inputs;
mod limits;
mod lines;
mod memory;
mod once;
mod parts;
mod problems;
mod raw;
mod readiness;
mod service;
mod several_limits;
mod shop;
mod storms;
mod wire;
