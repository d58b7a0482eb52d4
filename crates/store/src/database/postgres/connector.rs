//! Opening connections: one address after the other, and not at all for a while after a failure.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_postgres::config::TargetSessionAttrs;

use super::{
    address::{Address, Endpoint},
    connection::{Connection, Purpose, Session},
    socket::Peer,
};
use crate::{
    database::DatabaseOptions,
    error::{Cause, StoreError},
};

/// The pause after the first failure; it doubles with each further one, and is shortened at random
/// by up to half, so that a fleet does not come back in step. 50 ms: a restart of the server on the
/// same machine takes about as long.
const BACK_OFF_MIN: Duration = Duration::from_millis(50);
/// The longest pause: what a failover may cost on top of itself.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Opens connections to one database.
pub(super) struct Connector {
    pub(super) address: Address,
    pub(super) options: DatabaseOptions,
    /// Rises when the server says that it goes away: older connections are not used again.
    generation: AtomicU64,
    gate: Mutex<Gate>,
}

/// Holds back who would connect to what has just refused.
#[derive(Default)]
struct Gate {
    failures: u32,
    last: Option<(Cause, Instant)>,
    /// Somebody is finding out whether it works again.
    trying: bool,
}

/// Why there is no connection. Says where and what, and never the password.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to {place}: {reason} ({detail})")]
pub(super) struct ConnectError {
    pub(super) place: String,
    pub(super) reason: Reason,
    pub(super) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("its name cannot be resolved")]
    Dns,
    #[error("nobody listens there")]
    Refused,
    #[error("it does not answer in time")]
    TimedOut,
    #[error("the encryption failed")]
    Tls,
    #[error("it does not let this user in")]
    Auth,
    #[error("it has no such database")]
    NoDatabase,
    #[error("it has no connection left")]
    Full,
    #[error("it is starting up or shutting down")]
    NotReady,
    #[error("it is not the server wanted by `target_session_attrs`")]
    WrongSession,
    #[error("the connection broke")]
    Broken,
}

impl Connector {
    pub(super) fn new(address: Address, options: DatabaseOptions) -> Self {
        Self { address, options, generation: AtomicU64::new(0), gate: Mutex::default() }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Gives up every connection of `generation`; of many that notice at once, one has an effect.
    pub(super) fn retire(&self, generation: u64) {
        let next = generation + 1;
        let order = Ordering::Relaxed;
        // An error is a generation that was retired already.
        let _ = self.generation.compare_exchange(generation, next, order, order);
    }

    /// What stands in the way of a connection now.
    pub(super) fn obstacle(&self) -> Option<StoreError> {
        self.gate().last.as_ref().map(|(cause, _)| StoreError::Unavailable(cause.clone()))
    }

    /// Opens a connection; refuses at once while the last failure is fresh, or while another caller
    /// finds out whether it has passed.
    pub(super) async fn connect(
        self: &Arc<Self>,
        purpose: Purpose,
    ) -> Result<Connection, StoreError> {
        let trial = self.enter()?;
        let mut result = self.establish(purpose).await;
        // One broken handshake says nothing about the next.
        if result.as_ref().is_err_and(|error| error.reason == Reason::Broken) {
            result = self.establish(purpose).await;
        }
        match result {
            Ok(connection) => {
                trial.succeeded();
                Ok(connection)
            }
            Err(error) => Err(StoreError::Unavailable(trial.failed(error.into()))),
        }
    }

    /// Opens a connection whatever happened before.
    pub(super) async fn establish(
        self: &Arc<Self>,
        purpose: Purpose,
    ) -> Result<Connection, ConnectError> {
        let mut order: Vec<&Endpoint> = self.address.endpoints.iter().collect();
        if self.address.shuffled {
            fastrand::shuffle(&mut order);
        }
        let mut failure = None;
        for endpoint in order {
            match self.reach(endpoint, purpose).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| failed("nowhere", Reason::Dns, "the address has no host")))
    }

    async fn reach(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        purpose: Purpose,
    ) -> Result<Connection, ConnectError> {
        let patience = self.address.connect_timeout.unwrap_or(self.options.connect_timeout);
        let place = endpoint.to_string();
        let late = |_| failed(&place, Reason::TimedOut, &format!("{} ms", patience.as_millis()));
        let peers = tokio::time::timeout(patience, peers(endpoint)).await.map_err(late)?;
        let peers = peers.map_err(|error| failed(&place, Reason::Dns, &error.to_string()))?;
        let mut failure = failed(&place, Reason::Dns, "the name has no address");
        for peer in peers {
            let reaching = self.reach_peer(endpoint, peer, purpose);
            match tokio::time::timeout(patience, reaching).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failure = error,
                Err(elapsed) => failure = late(elapsed),
            }
        }
        Err(failure)
    }

    async fn reach_peer(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        peer: Peer,
        purpose: Purpose,
    ) -> Result<Connection, ConnectError> {
        let place = endpoint.to_string();
        let generation = self.generation();
        let stream = peer.open(self.address.keep_alive).await.map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Reason::Refused,
                io::ErrorKind::TimedOut => Reason::TimedOut,
                _ => Reason::Broken,
            };
            failed(&place, reason, &error.to_string())
        })?;
        let (config, handshake) =
            self.address.protocol(endpoint).map_err(|error| failed(&place, Reason::Tls, &error))?;
        let (client, driver) = config
            .connect_raw(stream, handshake.clone())
            .await
            .map_err(|error| explained(&place, &error))?;
        let session = Session { peer, handshake, generation, purpose };
        let connection = Connection::start(self, client, driver, session);
        let read_only = connection.set_up().await.map_err(|error| explained(&place, &error))?;
        let wanted = match self.address.session {
            TargetSessionAttrs::ReadWrite => !read_only,
            TargetSessionAttrs::ReadOnly => read_only,
            _ => true,
        };
        if wanted {
            return Ok(connection);
        }
        let is = if read_only { "it is read-only" } else { "it can be written" };
        Err(failed(&place, Reason::WrongSession, is))
    }

    fn enter(&self) -> Result<Trial<'_>, StoreError> {
        let mut gate = self.gate();
        if let Some((cause, until)) = &gate.last {
            if gate.trying || Instant::now() < *until {
                return Err(StoreError::Unavailable(cause.clone()));
            }
            gate.trying = true;
            return Ok(Trial { connector: self, alone: true });
        }
        Ok(Trial { connector: self, alone: false })
    }

    /// No code of a caller runs under the lock, so a poisoned state is still whole.
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that has been let through the gate.
struct Trial<'a> {
    connector: &'a Connector,
    /// It is the one that finds out.
    alone: bool,
}

impl Trial<'_> {
    fn succeeded(&self) {
        let mut gate = self.connector.gate();
        if gate.failures > 0 {
            tracing::info!(failures = gate.failures, "the database answers again");
        }
        gate.failures = 0;
        gate.last = None;
    }

    fn failed(&self, cause: Cause) -> Cause {
        let mut gate = self.connector.gate();
        // Many that failed together are one failure.
        if self.alone || gate.last.is_none() {
            gate.failures = gate.failures.saturating_add(1);
            if gate.failures == 1 {
                // Nobody may be waiting, and so nobody told. Those who are have it in their answer.
                tracing::warn!(error = cause.as_error(), "cannot connect to the database");
            }
        }
        let doubled = BACK_OFF_MIN.saturating_mul(1 << gate.failures.saturating_sub(1).min(16));
        let pause = doubled.min(BACK_OFF_MAX).mul_f64(0.5 + fastrand::f64() / 2.0);
        gate.last = Some((cause.clone(), Instant::now() + pause));
        cause
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.alone {
            self.connector.gate().trying = false;
        }
    }
}

pub(super) fn failed(place: &str, reason: Reason, detail: &str) -> ConnectError {
    ConnectError { place: place.to_owned(), reason, detail: detail.to_owned() }
}

/// Tells the reasons apart. Before a statement runs no value is on the way, so the server's own
/// words are kept.
pub(super) fn explained(place: &str, error: &tokio_postgres::Error) -> ConnectError {
    let source = std::error::Error::source(error);
    let Some(server) = error.as_db_error() else {
        // The driver keeps the kind to itself and shows it as text.
        let reason = match error.to_string().as_str() {
            "authentication error" | "invalid configuration" => Reason::Auth,
            "error performing TLS handshake" => Reason::Tls,
            _ => Reason::Broken,
        };
        let detail = source.map_or_else(|| error.to_string(), ToString::to_string);
        return failed(place, reason, &detail);
    };
    let code = server.code().code();
    let reason = match code {
        "3D000" => Reason::NoDatabase,
        "53300" => Reason::Full,
        _ if code.starts_with("28") => Reason::Auth,
        // Ended by an administrator, which is about this connection.
        "57P01" => Reason::Broken,
        _ if code.starts_with("57P0") => Reason::NotReady,
        _ => Reason::Broken,
    };
    failed(place, reason, &format!("{}, {code}", server.message()))
}

pub(super) async fn peers(endpoint: &Endpoint) -> io::Result<Vec<Peer>> {
    match endpoint {
        Endpoint::Unix(path) => Ok(vec![Peer::Unix(path.clone())]),
        Endpoint::Tcp { ip: Some(ip), port, .. } => {
            Ok(vec![Peer::Tcp(SocketAddr::new(*ip, *port))])
        }
        Endpoint::Tcp { host, ip: None, port } => {
            Ok(tokio::net::lookup_host((host.as_str(), *port)).await?.map(Peer::Tcp).collect())
        }
    }
}
