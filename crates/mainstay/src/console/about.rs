//! `GET /console/about`: what runs, how it is configured, and where its schema is.

use mainstay_core::Timestamp;
use mainstay_store::{MigrationReport, MigrationState, Migrator};
use mainstay_web::{Json, Use};
use schemars::JsonSchema;
use serde::Serialize;

use super::Console;
use crate::{Application, Resources, config::Effective};

/// What is known from the start.
pub(crate) struct Facts {
    service: &'static str,
    version: &'static str,
    engine: &'static str,
    since: Timestamp,
    effective: Effective,
    migrator: Migrator,
}

impl Facts {
    pub(crate) fn of<A: Application>(resources: &Resources, effective: Effective) -> Self {
        Self {
            service: A::NAME,
            version: A::VERSION,
            engine: resources.database.engine().as_str(),
            since: resources.clock.now(),
            effective,
            migrator: resources.database.migrate(A::migrations()),
        }
    }
}

/// What operators are told of the process.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct About {
    /// The service's name.
    service: &'static str,
    /// Its version.
    version: &'static str,
    /// The version of the framework.
    mainstay: &'static str,
    /// `release`, or `debug` for a build that is many times slower.
    build: &'static str,
    /// What it was built for: `linux x86_64`.
    platform: String,
    /// Its number at the system.
    process: u32,
    /// When it started.
    since: Timestamp,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// The file that the configuration was read from, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Every knob, with secrets masked.
    settings: Vec<Setting>,
    /// What is set and has no effect.
    warnings: Vec<String>,
    /// Absent when the database did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    migrations: Option<Vec<Migration>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Setting {
    /// `section.key`.
    key: String,
    /// What is in effect.
    value: String,
    /// Where it comes from: `default`, a line of the file, a variable.
    origin: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Migration {
    /// Its place in the order.
    number: u32,
    /// `create_users`
    name: String,
    /// `applied`, `pending`, `changed` since it was applied, or `missing` in this binary.
    state: &'static str,
    /// When it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl From<MigrationReport> for Migration {
    fn from(report: MigrationReport) -> Self {
        let (state, at) = match report.state {
            MigrationState::Applied { at } => ("applied", Some(at)),
            MigrationState::Pending => ("pending", None),
            MigrationState::Changed { at } => ("changed", Some(at)),
            MigrationState::Missing { at } => ("missing", Some(at)),
        };
        Self { number: report.number, name: report.name, state, at }
    }
}

pub(super) async fn about(console: Use<Console>) -> Json<Option<About>> {
    let Some(facts) = console.facts.get() else { return Json(None) };
    let setting = |setting: &crate::config::Setting| Setting {
        key: setting.key.clone(),
        value: setting.value.clone(),
        origin: setting.origin.to_string(),
    };
    let migrations = facts.migrator.status().await;
    Json(Some(About {
        service: facts.service,
        version: facts.version,
        mainstay: env!("CARGO_PKG_VERSION"),
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        process: std::process::id(),
        since: facts.since,
        database: facts.engine,
        file: facts.effective.file().map(str::to_owned),
        settings: facts.effective.settings().iter().map(setting).collect(),
        warnings: facts.effective.warnings().to_vec(),
        migrations: migrations.ok().map(|all| all.into_iter().map(Migration::from).collect()),
    }))
}
