//! The front door of Mainstay: a service says what it is, and gets listeners, logs, configuration,
//! commands and an orderly end.
//!
//! ```no_run
//! use std::process::ExitCode;
//! # struct Accounts;
//! # impl mainstay::Application for Accounts {
//! #     const NAME: &'static str = "accounts";
//! #     const VERSION: &'static str = "0.1.0";
//! #     type Settings = ();
//! #     fn settings(_: &mut mainstay::config::Loader) {}
//! #     fn migrations() -> mainstay::store::Migrations { mainstay::store::Migrations::new(&[]) }
//! #     fn assemble(_: &mainstay::Resources, (): &()) -> mainstay::Assembly {
//! #         mainstay::Assembly::new()
//! #     }
//! # }
//!
//! fn main() -> ExitCode {
//!     mainstay::run::<Accounts>()
//! }
//! ```

pub mod config;
pub mod http;
pub mod metrics;
pub mod passwords;
pub mod telemetry;
pub mod tokens;

mod app;
mod command;
mod console;
mod traces;
mod why;

pub use app::{
    Application, Assembly, CommandFuture, Failure, Instance, Overrides, Resources, discipline,
};
pub use clap;
pub use command::{read_secret, run};
pub use mainstay_core as core;
pub use mainstay_macros::Fault;
pub use mainstay_store as store;
pub use mainstay_web as web;

/// What a module tells whoever watches for attacks.
pub mod security {
    pub use mainstay_core::{SecurityEvent, SecurityRecord};
    pub use mainstay_web::security::record;
}
