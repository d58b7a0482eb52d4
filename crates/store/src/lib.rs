//! Everything a service keeps outside its own memory: the database and its migrations, and requests
//! that are done once; and the in-process rate limiter, which keeps the same promises as a shared
//! one.
//!
//! No driver's type appears in a public signature, so a repository is written once for every
//! engine.

mod cache;
mod database;
mod error;
mod idempotency;
mod limit;
mod migrate;
mod promote;
mod redis;
mod row;
mod value;

pub use cache::{
    Cache, CacheSpec, CacheStats, Caches, CachesOptions, CachesState, OnOutage, Scope, Tag,
};
pub use database::{
    BackupError, BackupProgress, BoundedStaleness, Connections, Database, DatabaseFigures,
    DatabaseOptions, DatabaseUrl, Diagnosis, Engine, Holder, PgBouncer, Pooler, PostgresFigures,
    Server, SqliteFigures, StatementMode, Transaction, UrlError,
};
pub use error::{
    Cause, Explanation, INTERNAL, OpenError, ResultExt, STORE_OVERLOADED, STORE_UNAVAILABLE,
    StoreError,
};
pub use idempotency::Idempotency;
pub use limit::{
    LimiterCounts, LocalLimiter, LocalLimiterOptions, Refusals, Refused, SharedLimiter,
    SharedLimiterOptions,
};
pub use migrate::{
    MigrateError, Migration, MigrationReport, MigrationState, Migrations, Migrator, Planned,
};
/// What migrations do to a PostgreSQL that is in use.
pub mod ddl {
    pub use crate::migrate::{Finding, Lock, LockMode, PlannedStatement, Rewrite, Rule, Span};
}

pub use self::redis::{Redis, RedisDiagnosis, RedisOptions, RedisUrl, RedisUrlError};
pub use promote::{PromoteError, PromoteProgress, PromotedTable};
pub use row::{FromRow, Row};
pub use value::{FromValue, Mismatch, Value};
