//! Migrations: numbered SQL files inside the binary, applied once each and in order.

mod file;
mod lint;
mod outside;
mod plan;
mod postgres;
mod run;
mod sqlite;

use std::{error::Error, fmt};

use jiff::Timestamp;

pub use self::{
    file::{Migration, Migrations},
    lint::{Finding, Lock, LockMode, PlannedStatement, Rewrite, Rule, Span},
    plan::Planned,
    run::Migrator,
};
use crate::{
    database::Database,
    error::{Cause, Explanation, StoreError},
};

impl Database {
    /// Compares the database with the migrations of this binary, or brings it up to them.
    pub fn migrate(&self, migrations: Migrations) -> Migrator {
        Migrator::new(self.clone(), migrations)
    }
}

/// One migration, as the binary and the database know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// Its place in the order, from 1.
    pub number: u32,
    /// `create_users`
    pub name: String,
    /// SHA-256 of its SQL in hex, line ends made equal: the binary's own where it has the file.
    pub checksum: String,
    /// How the two agree.
    pub state: MigrationState,
}

/// Whether a migration has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// It was, as it is here.
    Applied {
        /// When.
        at: Timestamp,
    },
    /// It was not.
    Pending,
    /// It was, and the file is another one since.
    Changed {
        /// When.
        at: Timestamp,
    },
    /// The database has it and this binary does not: it is older than the database.
    Missing {
        /// When.
        at: Timestamp,
    },
}

/// Why the database is not where the binary wants it.
#[derive(Clone, Debug)]
pub enum MigrateError {
    /// The two disagree about the past, or a migration does not fit; nothing was tried, or what was
    /// tried is undone.
    Refused(Explanation),
    /// One migration failed and left nothing behind; those before it are applied.
    Failed {
        /// What, why and how to fix it.
        explanation: Explanation,
        /// What the engine says.
        cause: Cause,
    },
    /// The database does not answer.
    Store(StoreError),
}

impl From<StoreError> for MigrateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(explanation) | Self::Failed { explanation, .. } => explanation.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for MigrateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Failed { cause, .. } => Some(cause.as_error()),
            Self::Store(error) => error.source(),
        }
    }
}
