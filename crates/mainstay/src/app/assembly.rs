//! `Assembly`: the modules of a service, joined.

use std::sync::Arc;

use mainstay_core::{Authenticator, HealthCheck};
use mainstay_web::{EdgeBuilder, Routes};

use crate::metrics::Collect;

/// What a service is made of, before the edge is put around it.
#[derive(Default)]
#[must_use]
pub struct Assembly {
    pub(crate) edge: EdgeBuilder,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) health: Vec<Arc<dyn HealthCheck>>,
    pub(crate) metrics: Vec<Arc<dyn Collect>>,
}

impl std::fmt::Debug for Assembly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assembly").field("edge", &self.edge).finish_non_exhaustive()
    }
}

impl Assembly {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module's endpoints.
    pub fn mount<S: Clone + Send + Sync + 'static>(mut self, routes: Routes<S>) -> Self {
        self.edge = self.edge.mount(routes);
        self
    }

    /// Mounts an axum router as it is; see [`EdgeBuilder::mount_raw`]. The reason appears in route
    /// tables.
    #[track_caller]
    pub fn mount_raw(
        mut self,
        path: &'static str,
        router: axum::Router,
        reason: &'static str,
    ) -> Self {
        self.edge = self.edge.mount_raw(path, router, reason);
        self
    }

    /// Says who knows credentials.
    pub fn authenticate_with(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Adds something that readiness depends on, beside the database.
    pub fn ready_when(mut self, check: impl HealthCheck) -> Self {
        self.health.push(Arc::new(check));
        self
    }

    /// Adds metrics of the service's own to `/metrics`, in whose documents they then are.
    pub fn measure(mut self, collector: impl Collect) -> Self {
        self.metrics.push(Arc::new(collector));
        self
    }
}
