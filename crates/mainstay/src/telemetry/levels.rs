//! Which events are logged: as configured, until an operator says otherwise.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use mainstay_web::security::TARGET;
use tracing::Dispatch;
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    reload::{self, Handle},
};

use crate::config::Directives;

/// A handle to the directives that decide which events are logged; cheap to clone.
#[derive(Clone)]
pub struct Levels(Arc<Inner>);

struct Inner {
    filter: Handle<Targets, Registry>,
    dispatch: Dispatch,
    configured: Targets,
    /// Changes are made one after the other, so that this is what the filter has.
    in_effect: Mutex<Targets>,
}

/// The directives of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InEffect {
    /// What decides now.
    pub directives: String,
    /// What decided at the start, and does again after [`Levels::reset`].
    pub configured: String,
}

impl Levels {
    /// The layer that decides, and how it is told to decide otherwise.
    pub(super) fn filter(
        configured: &Directives,
    ) -> (reload::Layer<Targets, Registry>, Handle<Targets, Registry>) {
        reload::Layer::new(with_security(&configured.0))
    }

    pub(super) fn new(
        configured: &Directives,
        filter: Handle<Targets, Registry>,
        dispatch: Dispatch,
    ) -> Self {
        let configured = configured.0.clone();
        let in_effect = Mutex::new(configured.clone());
        Self(Arc::new(Inner { filter, dispatch, configured, in_effect }))
    }

    /// What decides now.
    pub fn get(&self) -> InEffect {
        let in_effect = self.0.in_effect.lock().unwrap_or_else(PoisonError::into_inner);
        InEffect { directives: in_effect.to_string(), configured: self.0.configured.to_string() }
    }

    /// Decides otherwise from now on, until the process ends. Costs every place that logs one
    /// look at the directives.
    pub fn set(&self, directives: &Directives) {
        self.replace(directives.0.clone());
    }

    /// Decides as configured again.
    pub fn reset(&self) {
        self.replace(self.0.configured.clone());
    }

    fn replace(&self, targets: Targets) {
        let mut in_effect = self.0.in_effect.lock().unwrap_or_else(PoisonError::into_inner);
        // Every place that logs is asked again whether it does, and a log that is the only one of
        // the process is found by being the current one.
        tracing::dispatcher::with_default(&self.0.dispatch, || {
            // It fails when the log is gone, and then nobody is left to decide for.
            let _ = self.0.filter.reload(with_security(&targets));
        });
        *in_effect = targets;
    }
}

/// Security events are not a matter of taste.
fn with_security(targets: &Targets) -> Targets {
    targets.clone().with_target(TARGET, LevelFilter::INFO)
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Levels").field(&self.get()).finish()
    }
}
