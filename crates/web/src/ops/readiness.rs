//! Whether the service should get traffic: judged in the background, so that a probe is answered
//! from memory.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use mainstay_core::{Clock, Health, HealthCheck, Timestamp};
use tokio::task::JoinSet;

use super::report::{Dependency, LastError, NotReady, State};

/// A dependency that has not answered within this time has failed the check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How often each dependency is asked, by each process. A platform asks every few seconds, and so
/// learns of a change in the round after it; one statement a second costs a database nothing.
const INTERVAL: Duration = Duration::from_secs(1);

/// Each wait is drawn anew from this part of the interval around it, so that the processes of a
/// fleet that were started together do not ask together.
const JITTER: f64 = 0.2;

/// So many failures in a row turn readiness false. All processes share the database, so what fails
/// for one mostly fails for all, and taking every process out of a load balancer because of a lost
/// packet or a failover of two seconds is worse than the errors of those two seconds.
const FAILURES: u32 = 3;

/// So many successes in a row turn it true again: what answers now and then is not back.
const SUCCESSES: u32 = 2;

/// Longest text that is kept of what a check found, in characters.
const WHY_CHARACTERS_MAX: usize = 300;

/// Whether the service should get traffic.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    watched: Vec<Watched>,
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
    started: AtomicBool,
}

/// A dependency and what is known about it.
struct Watched {
    check: Arc<dyn HealthCheck>,
    known: Mutex<Known>,
}

struct Known {
    state: State,
    since: Timestamp,
    /// Answers in a row that contradict the state, or would, if it were known.
    contradictions: u32,
    last_error: Option<LastError>,
}

/// Asks the dependencies until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the checks"]
pub struct Watch(#[expect(dead_code, reason = "its end is what it is for")] JoinSet<()>);

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Readiness({} checks)", self.0.watched.len())
    }
}

impl Readiness {
    /// Not ready before [`watch`](Self::watch), unless there is nothing to check.
    pub fn new(checks: Vec<Arc<dyn HealthCheck>>, clock: Arc<dyn Clock>) -> Self {
        let since = clock.now();
        let unknown =
            || Known { state: State::Unknown, since, contradictions: 0, last_error: None };
        let watched = |check| Watched { check, known: Mutex::new(unknown()) };
        let (draining, started) = (AtomicBool::new(false), AtomicBool::new(false));
        let watched = checks.into_iter().map(watched).collect();
        Self(Arc::new(Inner { watched, clock, draining, started }))
    }

    /// Asks every dependency once, at the same time, then goes on in the background.
    pub async fn watch(&self) -> Watch {
        join_all((0..self.0.watched.len()).map(|index| self.0.ask(index))).await;
        let mut tasks = JoinSet::new();
        for index in 0..self.0.watched.len() {
            // Each on its own: one that hangs delays no other.
            let inner = self.0.clone();
            tasks.spawn(async move {
                loop {
                    let factor = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
                    tokio::time::sleep(INTERVAL.mul_f64(factor)).await;
                    inner.ask(index).await;
                }
            });
        }
        Watch(tasks)
    }

    /// From now on: not ready. Cannot be taken back.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether it is ready; the first thing that is not decides.
    pub(super) fn judge(&self) -> Result<(), NotReady> {
        if self.0.draining.load(Ordering::Acquire) {
            return Err(NotReady("draining"));
        }
        self.0.first_unready().map_or(Ok(()), |name| Err(NotReady(name)))
    }

    /// Whether it has ever been ready. Draining is an end, and takes no beginning back.
    pub(super) fn has_started(&self) -> Result<(), NotReady> {
        if self.0.started.load(Ordering::Acquire) {
            return Ok(());
        }
        self.0.first_unready().map_or(Ok(()), |name| Err(NotReady(name)))
    }

    /// What is known about each dependency.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        self.0.watched.iter().map(Watched::describe).collect()
    }
}

impl Inner {
    fn first_unready(&self) -> Option<&'static str> {
        let unready = |watched: &&Watched| watched.known().state != State::Ready;
        self.watched.iter().find(unready).map(|watched| watched.check.name())
    }

    async fn ask(&self, index: usize) {
        let watched = &self.watched[index];
        // A check that panics has failed; it must not end the questions.
        let asking = async { AssertUnwindSafe(watched.check.check()).catch_unwind().await };
        let found = match tokio::time::timeout(CHECK_TIMEOUT, asking).await {
            Ok(Ok(Health::Ready)) => Ok(()),
            Ok(Ok(Health::Unready(why))) => Err(why.chars().take(WHY_CHARACTERS_MAX).collect()),
            Ok(Err(_)) => Err("the check panicked".to_owned()),
            Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
        };
        watched.learn(found, self.clock.now());
        if self.first_unready().is_none() {
            self.started.store(true, Ordering::Release);
        }
    }
}

impl Watched {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, found: Result<(), String>, now: Timestamp) {
        let mut known = self.known();
        let (answer, needed) = match (&found, known.state) {
            (Ok(()), State::Unknown) => (State::Ready, 1),
            (Err(_), State::Unknown) => (State::NotReady, 1),
            (Ok(()), _) => (State::Ready, SUCCESSES),
            (Err(_), _) => (State::NotReady, FAILURES),
        };
        if let Err(why) = &found {
            known.last_error = Some(LastError { at: now, why: why.clone() });
        }
        known.contradictions = if answer == known.state { 0 } else { known.contradictions + 1 };
        if known.contradictions < needed {
            return;
        }
        let first = known.state == State::Unknown;
        (known.state, known.since, known.contradictions) = (answer, now, 0);
        drop(known);
        let check = self.check.name();
        match found {
            Err(why) => tracing::warn!(check, why, "not ready"),
            Ok(()) if !first => tracing::info!(check, "ready again"),
            Ok(()) => {}
        }
    }

    fn describe(&self) -> Dependency {
        let known = self.known();
        Dependency {
            name: self.check.name(),
            state: known.state,
            since: known.since,
            contradictions: known.contradictions,
            last_error: known.last_error.clone(),
        }
    }
}
