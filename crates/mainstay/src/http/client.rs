//! `Client`: calls to one other service.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use mainstay_core::{Step, StepKind, Work};
use tokio::sync::{OnceCell, Semaphore};

use super::{
    BaseUrl, Call, CallError, ClientOptions, Response,
    attempt::Pool,
    breaker::Breaker,
    budget::Budget,
    call::Ready,
    figures::{Ending, Figures},
    repeat,
    trouble::Trouble,
};

/// What who has too many calls is told to wait: one ends every few milliseconds, and a second is
/// the smallest step of `Retry-After`.
const PLACE_WAIT: Duration = Duration::from_secs(1);

/// Makes calls to one other service; clones are the same client.
///
/// It follows no redirect (another service would choose where our requests go), keeps no cookies,
/// asks for no compression, and uses no proxy. What it connects to is its [`BaseUrl`] and nothing
/// else. The trusted certificates are those of the system, read before the first call.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) base: BaseUrl,
    pub(super) options: ClientOptions,
    /// Made with the first call: the certificates of the system are files.
    pub(super) pool: OnceCell<Pool>,
    pub(super) places: Semaphore,
    pub(super) budget: Budget,
    pub(super) breaker: Breaker,
    pub(super) figures: Figures,
}

impl Client {
    /// A client of the service that is called `name` in metrics, in steps and in errors: one word,
    /// lower-case. Does no I/O. [`Clients::create`](super::Clients::create) makes one that
    /// `/metrics` shows.
    pub fn new(name: &'static str, base: BaseUrl, options: ClientOptions) -> Self {
        let options = options.bounded();
        Self(Arc::new(Shared {
            name,
            base,
            options,
            pool: OnceCell::new(),
            places: Semaphore::new(options.in_flight_max.clamp(1, Semaphore::MAX_PERMITS)),
            budget: Budget::new(options.retry_budget, Instant::now()),
            breaker: Breaker::new(options.breaker),
            figures: Figures::new(),
        }))
    }

    /// A `GET` of a path. The path is a template, whose `{name}` are filled by [`Call::param`].
    pub fn get(&self, path: &'static str) -> Call {
        self.call(Method::GET, path)
    }

    /// A `POST`, which is repeated only with [`Call::idempotency_key`] or [`Call::idempotent`].
    pub fn post(&self, path: &'static str) -> Call {
        self.call(Method::POST, path)
    }

    /// A `PUT`.
    pub fn put(&self, path: &'static str) -> Call {
        self.call(Method::PUT, path)
    }

    /// A `PATCH`, which is repeated as a `POST` is.
    pub fn patch(&self, path: &'static str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// A `DELETE`.
    pub fn delete(&self, path: &'static str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Any method.
    pub fn call(&self, method: Method, path: &'static str) -> Call {
        Call::new(self.clone(), method, path)
    }

    /// What the service is called.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it has counted.
    pub(crate) fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// Whether its breaker is open.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// How often its breaker has opened.
    pub(crate) fn breaker_openings(&self) -> u64 {
        self.0.breaker.openings()
    }

    pub(super) fn base(&self) -> &BaseUrl {
        &self.0.base
    }

    pub(super) async fn send(&self, call: &Ready) -> Result<Response, CallError> {
        let counted = self.0.figures.begin();
        let result = self.0.attempts(call).await;
        counted.end(match &result {
            Ok(response) => Ending::of(response.status()),
            Err(trouble) => trouble.ending(),
        });
        result.map_err(|trouble| CallError::from_trouble(&call.origin, trouble))
    }
}

impl Shared {
    /// As many attempts as it takes, and as there may be.
    async fn attempts(&self, call: &Ready) -> Result<Response, Trouble> {
        let Ok(_place) = self.places.try_acquire() else {
            Step::begin(StepKind::Outbound, self.name).fail("refused");
            let why = "there are too many calls already";
            return Err(Trouble::Refused { why, wait: PLACE_WAIT });
        };
        let deadline = Instant::now() + self.time_left();
        let mut number = 1;
        loop {
            let step = Step::begin(StepKind::Outbound, self.name);
            let result = self.attempt(call, number, deadline, step.id()).await;
            let again = match &result {
                Err(trouble) => repeat::after(self, call, number, trouble, deadline),
                Ok(_) => None,
            };
            end(step, &result, again.is_some());
            let Some(wait) = again else { return result };
            self.figures.retry();
            tokio::time::sleep(wait).await;
            number += 1;
        }
    }

    /// Until nobody waits for the answer any longer.
    fn time_left(&self) -> Duration {
        let request = Work::time_left().unwrap_or(Duration::MAX);
        self.options.timeout.min(request)
    }
}

/// What the step of an attempt says of it.
fn end(step: Step, result: &Result<Response, Trouble>, is_repeated: bool) {
    let number = |status: http::StatusCode| i64::from(status.as_u16());
    match result {
        Ok(response) => step.end("ok", Some(number(response.status()))),
        Err(trouble) if is_repeated => step.end("retried", trouble.status().map(number)),
        Err(trouble) => step.fail_with(trouble.outcome(), trouble.status().map(number)),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {})", self.0.name, self.0.base)
    }
}
