//! Readiness, judged by those who know.

use std::{future::Future, pin::Pin};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Ready,
    /// It does not; the text is for operators and free of secrets.
    Unready(String),
}

/// The boxed answer of a check.
pub type HealthFuture<'a> = Pin<Box<dyn Future<Output = Health> + Send + 'a>>;

/// A dependency whose state decides readiness.
///
/// A check must not wait in the queue that requests wait in: busy is not broken.
pub trait HealthCheck: Send + Sync + 'static {
    /// The name operators see: `database`.
    fn name(&self) -> &'static str;

    /// Looks now. Bounded by the caller's timeout.
    fn check(&self) -> HealthFuture<'_>;
}
