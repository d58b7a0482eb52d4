//! `Link`: one multiplexed connection for one purpose, with a breaker.
//!
//! The breaker is the absence of a connection. A question that is not answered in time, or whose
//! connection is lost, takes the connection away from everybody; from then on nobody waits: each
//! question fails at once, until one task ([`repair`](super::repair)) has had an answer. That task
//! is the single probe.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mainstay_core::{Step, StepKind};
use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation};
use tokio::{sync::watch, task::JoinHandle};

use super::{Redis, RedisFailure, connection::Connection, repair};

/// What a connection is for: nobody waits behind another purpose's questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Decisions about rate limits.
    Limits,
    /// Values and generations of caches.
    Cache,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Cache => "cache",
        }
    }
}

/// Clones share it. The connection ends with the last of them.
#[derive(Clone)]
pub(crate) struct Link(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    repairing: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.repairing.abort();
    }
}

pub(super) struct Shared {
    pub(super) redis: Redis,
    pub(super) purpose: Purpose,
    state: Mutex<State>,
    /// Whether there is a connection. Sent to under the lock of `state`.
    is_up: watch::Sender<bool>,
}

struct State {
    connection: Option<Connection>,
    /// The connection that was taken away last; it may still be good.
    suspect: Option<Connection>,
    /// How many connections there have been: what fails on an earlier one says nothing about this
    /// one.
    generation: u64,
}

impl Link {
    pub(super) fn new(redis: Redis, purpose: Purpose) -> Self {
        let state = State { connection: None, suspect: None, generation: 0 };
        let shared =
            Shared { redis, purpose, state: Mutex::new(state), is_up: watch::Sender::new(false) };
        let shared = Arc::new(shared);
        let repairing = tokio::spawn(repair::keep_up(shared.clone()));
        Self(Arc::new(Owner { shared, repairing }))
    }

    /// Asks one question; at most the configured time, and no time at all while Redis is away.
    ///
    /// A caller that goes away takes its interest in the answer with it, and nothing else.
    pub(crate) async fn query<T: FromRedisValue>(&self, cmd: &Cmd) -> Result<T, RedisFailure> {
        let (mut connection, generation) = self.connected()?;
        self.judge(generation, cmd.query_async(&mut connection)).await
    }

    /// Runs a script by its hash; loads it where the server does not have it.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, RedisFailure> {
        let (mut connection, generation) = self.connected()?;
        self.judge(generation, invocation.invoke_async(&mut connection)).await
    }

    /// Whether there is a connection now.
    pub(crate) fn is_up(&self) -> bool {
        *self.0.shared.is_up.borrow()
    }

    /// Waits for a connection, so long at most. Tells whether there is one.
    pub(crate) async fn ready(&self, at_most: Duration) -> bool {
        let mut is_up = self.0.shared.is_up.subscribe();
        let waiting = is_up.wait_for(|is_up| *is_up);
        matches!(tokio::time::timeout(at_most, waiting).await, Ok(Ok(_)))
    }

    fn connected(&self) -> Result<(Connection, u64), RedisFailure> {
        let shared = &self.0.shared;
        let connected = shared.connected();
        if let Err(failure) = &connected {
            Step::note(StepKind::Redis, shared.purpose.as_str(), failure.word(), None);
        }
        connected
    }

    async fn judge<T>(
        &self,
        generation: u64,
        question: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisFailure> {
        let shared = &self.0.shared;
        let limit = shared.redis.options().command_timeout;
        let step = Step::begin(StepKind::Redis, shared.purpose.as_str());
        let failure = match tokio::time::timeout(limit, question).await {
            Ok(Ok(answer)) => {
                step.end("ok", None);
                return Ok(answer);
            }
            Ok(Err(error)) => RedisFailure::from(error),
            Err(_) => RedisFailure::TimedOut,
        };
        step.fail(failure.word());
        match &failure {
            RedisFailure::Refused(_) => {}
            _ => shared.lose(generation, &failure),
        }
        Err(failure)
    }
}

impl Shared {
    fn connected(&self) -> Result<(Connection, u64), RedisFailure> {
        let state = self.state();
        let connection = state.connection.clone().ok_or(RedisFailure::Down)?;
        Ok((connection, state.generation))
    }

    /// Takes the connection away from everybody, if it is still this one.
    fn lose(&self, generation: u64, failure: &RedisFailure) {
        let mut state = self.state();
        if state.generation != generation || state.connection.is_none() {
            return;
        }
        let connection = state.connection.take();
        // Late is not lost.
        state.suspect = connection.filter(|_| matches!(failure, RedisFailure::TimedOut));
        self.is_up.send_replace(false);
        drop(state);
        let error = failure as &dyn std::error::Error;
        let purpose = self.purpose.as_str();
        tracing::warn!(error, purpose, "redis is out of reach; every process is on its own");
    }

    pub(super) fn suspect(&self) -> Option<Connection> {
        self.state().suspect.take()
    }

    /// Gives a connection to everybody.
    pub(super) fn restore(&self, connection: Connection) {
        let mut state = self.state();
        state.connection = Some(connection);
        state.generation += 1;
        self.is_up.send_replace(true);
    }

    pub(super) async fn lost(&self) {
        // The sender lives as long as `self`.
        let _ = self.is_up.subscribe().wait_for(|is_up| !*is_up).await;
    }

    /// No code of a caller runs under the lock, so what is in it is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.0.shared;
        f.debug_struct("Link")
            .field("redis", &shared.redis)
            .field("purpose", &shared.purpose)
            .field("is_up", &self.is_up())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
