//! `Application`: what a service says about itself, and how it is started from that.

mod assembly;
mod connections;
mod discipline;
mod failure;
mod idempotency;
mod instance;
mod limits;
mod log_level;
mod metrics;
mod opening;
mod options;
mod prepare;

use std::{future::Future, pin::Pin, sync::Arc};

use clap::ArgMatches;
use mainstay_core::Clock;
use mainstay_store::{Caches, Database, Migrations, Redis};

pub use assembly::Assembly;
pub use discipline::discipline;
pub(crate) use discipline::{metrics_offline, prepare_offline};
pub use failure::Failure;
pub use instance::{Instance, Overrides};
pub(crate) use opening::{migration_failure, offline, open, open_unmigrated};
pub(crate) use options::{database as database_options, redis as redis_options};

use crate::{config::Loader, http::Clients, passwords::Passwords};

/// What every service is handed to build its modules from.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Migrated, unless the command at hand needs no database: then it is empty and in memory.
    pub database: Database,
    /// What processes of the service share, if it is configured.
    pub redis: Option<Redis>,
    /// Makes caches that hold what every process of the service has written.
    pub caches: Caches,
    /// The only way to ask for the time.
    pub clock: Arc<dyn Clock>,
    /// The pool that hashes passwords; starts no thread until it is used.
    pub passwords: Passwords,
    /// Makes clients of other services.
    pub clients: Clients,
}

/// The outcome of a command of the service's own.
pub type CommandFuture = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A service: its name, its schema, its own settings, and how its modules meet.
///
/// Everything else (listeners, logs, configuration, commands, draining) is the same in every
/// service and given.
pub trait Application: Sized + Send + Sync + 'static {
    /// Lower-case; the name of the binary.
    const NAME: &'static str;
    /// Usually `env!("CARGO_PKG_VERSION")`.
    const VERSION: &'static str;

    /// Sections of the configuration that only this service has; `()` for none.
    type Settings: Send + Sync + 'static;

    /// Reads them. Called once, before anything starts.
    fn settings(loader: &mut Loader) -> Self::Settings;

    /// The schema.
    fn migrations() -> Migrations;

    /// Joins the modules: the only place where everything meets. Must not block or do I/O.
    fn assemble(resources: &Resources, settings: &Self::Settings) -> Assembly;

    /// Which errors tests have produced, as `check --evidence` prints it: `include_str!` of a file
    /// beside the service. The discipline matrix holds every endpoint's codes against it.
    fn evidence() -> &'static str {
        ""
    }

    /// Commands beside those that every service has.
    fn commands() -> Vec<clap::Command> {
        Vec::new()
    }

    /// Runs one of [`commands`](Application::commands) on the migrated database.
    fn run_command(
        name: &str,
        matches: &ArgMatches,
        resources: Resources,
        settings: Self::Settings,
    ) -> CommandFuture {
        let _ = (matches, resources, settings);
        let failure = Failure::new(
            format!("the command `{name}` does nothing"),
            "it is declared in `Application::commands` and not handled in `run_command`",
            "handle it, or remove it",
        );
        Box::pin(async { Err(failure) })
    }
}
