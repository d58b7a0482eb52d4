//! What a service is built from, opened: its database, migrated, and what it shares.

use std::sync::Arc;

use mainstay_core::SystemClock;
use mainstay_store::{Caches, CachesOptions, Database, DatabaseOptions, MigrateError, Redis};

use super::{Application, Failure, Overrides, Resources, options};
use crate::{
    config::{Framework, MigrateAtStart},
    http::Clients,
    passwords::{PasswordOptions, Passwords},
};

/// Opens the database and brings its schema up to date, or refuses to start behind it.
pub(crate) async fn open<A: Application>(
    framework: &Framework,
    overrides: &Overrides,
) -> Result<Resources, Failure> {
    let resources = open_unmigrated::<A>(framework, overrides).await?;
    let migrator = resources.database.migrate(A::migrations());
    let pending = match framework.database.migrate_at_start {
        MigrateAtStart::Auto => {
            migrator.up().await.map_err(migration_failure)?;
            0
        }
        MigrateAtStart::Manual => migrator.plan().await.map_err(migration_failure)?.len(),
    };
    if pending > 0 {
        return Err(Failure::new(
            format!("{pending} migrations have not been applied"),
            "database.migrate_at_start is `manual`, and the service needs its schema",
            format!("run `{} migrate up`", A::NAME),
        ));
    }
    Ok(resources)
}

/// Opens the database as it is.
pub(crate) async fn open_unmigrated<A: Application>(
    framework: &Framework,
    overrides: &Overrides,
) -> Result<Resources, Failure> {
    let (url, database_options) = options::database::<A>(framework)?;
    let redis = options::redis::<A>(framework)?;
    let database = Database::open(&url, &database_options).await.map_err(|error| {
        let explained = error.0;
        Failure::new(explained.what, explained.why, explained.fix)
    })?;
    let kept = (options::passwords(framework), options::caches(framework));
    Ok(resources(database, redis, kept, overrides))
}

/// Resources around an empty database in memory, for commands that only describe the service.
pub(crate) async fn offline() -> Result<Resources, Failure> {
    let url = "sqlite::memory:".parse().map_err(|error: mainstay_store::UrlError| {
        Failure::unexpected("no database in memory", &error)
    })?;
    let database = Database::open(&url, &DatabaseOptions::default())
        .await
        .map_err(|error| Failure::unexpected("no database in memory", &error))?;
    let usual = (PasswordOptions::default(), CachesOptions::default());
    Ok(resources(database, None, usual, &Overrides::default()))
}

fn resources(
    database: Database,
    redis: Option<Redis>,
    (passwords, caches): (PasswordOptions, CachesOptions),
    overrides: &Overrides,
) -> Resources {
    let clock = overrides.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
    let passwords = Passwords::new(overrides.passwords.unwrap_or(passwords));
    let caches = match &redis {
        Some(redis) => Caches::shared(redis, clock.clone(), caches),
        None => Caches::alone(clock.clone()),
    };
    Resources { database, redis, caches, clock, passwords, clients: Clients::default() }
}

/// What a failed migration tells an operator.
pub(crate) fn migration_failure(error: MigrateError) -> Failure {
    match error {
        MigrateError::Refused(explained) => {
            Failure::new(explained.what, explained.why, explained.fix)
        }
        MigrateError::Failed { explanation, cause } => {
            let why = format!("{}: {cause:?}", explanation.why);
            Failure::new(explanation.what, why, explanation.fix)
        }
        MigrateError::Store(error) => Failure::unexpected("the migrations failed", &error),
    }
}
