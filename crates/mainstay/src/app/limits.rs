//! Who counts requests: all processes together where there is a Redis, else this one for itself.

use std::sync::Arc;

use mainstay_core::{Limiter, Secret, SystemClock};
use mainstay_store::{LocalLimiter, LocalLimiterOptions, SharedLimiter, SharedLimiterOptions};

use super::Resources;
use crate::{
    config::Framework,
    metrics::{LimiterFigures, SharedLimits},
};

/// Who counts.
#[derive(Clone)]
pub(super) enum Counting {
    Alone(Arc<LocalLimiter>),
    Together(Arc<SharedLimiter>),
}

impl Counting {
    pub(super) fn limiter(&self) -> Arc<dyn Limiter> {
        match self {
            Self::Alone(limiter) => limiter.clone(),
            Self::Together(limiter) => limiter.clone(),
        }
    }

    /// What has been counted.
    pub(super) fn figures(&self) -> LimiterFigures {
        match self {
            Self::Alone(limiter) => LimiterFigures { keys: limiter.len(), shared: None },
            Self::Together(limiter) => {
                let counts = limiter.counts();
                let shared = SharedLimits {
                    leased: counts.leased,
                    remembered: counts.remembered,
                    asked: counts.asked,
                    alone: counts.alone,
                    failures: counts.failures,
                };
                LimiterFigures { keys: limiter.len(), shared: Some(shared) }
            }
        }
    }

    /// Waits until Redis is there to count, but no longer than a connection may take: what is
    /// closed without it would otherwise be refused in the first moments.
    pub(super) async fn ready(&self, framework: &Framework) {
        if let Self::Together(limiter) = self {
            limiter.ready(framework.redis.connect_timeout).await;
        }
    }
}

/// With a Redis it needs a runtime, and does no I/O itself.
pub(super) fn counting(framework: &Framework, resources: &Resources) -> Counting {
    let max_keys = framework.limits.keys_max;
    let Some(redis) = &resources.redis else {
        let clock = resources.clock.clone();
        let options = LocalLimiterOptions { max_keys };
        return Counting::Alone(Arc::new(LocalLimiter::with_options(clock, options)));
    };
    // Leases end by the clock of Redis, so in real time, whatever clock a test has set.
    let clock = Arc::new(SystemClock::new());
    let processes = framework.fleet.replicas;
    let options = SharedLimiterOptions { max_keys, processes, secret: secret(framework) };
    Counting::Together(Arc::new(SharedLimiter::new(redis, clock, &options)))
}

/// What keys are hashed with: the secret that is configured, or the credentials for Redis, which
/// all processes have as well and which its data do not hold.
fn secret(framework: &Framework) -> Secret<String> {
    if let Some(secret) = &framework.limits.key_secret {
        return secret.clone();
    }
    let url = framework.redis.url.as_ref().map_or("", |url| url.reveal());
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let credentials = place.rsplit_once('@').map_or("", |(credentials, _)| credentials);
    Secret::new(credentials.to_owned())
}
