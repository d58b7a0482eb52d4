//! How a server is told to stop, what it says afterwards, and what it counts meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::Notify;

/// The request to stop; clones share it, so that one signal handler ends every server.
///
/// It only says *that* it is time. How long the answer may take is each server's own
/// ([`ServerOptions::pre_drain`](super::ServerOptions::pre_drain) and
/// [`drain_deadline`](super::ServerOptions::drain_deadline)).
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    /// Apart from the notification because it is read once per request.
    triggered: AtomicBool,
    waiting: Notify,
}

impl Shutdown {
    /// A shutdown nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the shutdown. Cannot be taken back; calling it again changes nothing.
    pub fn trigger(&self) {
        self.0.triggered.store(true, Ordering::SeqCst);
        self.0.waiting.notify_waiters();
    }

    /// Whether the shutdown has started. This is what readiness asks.
    pub fn is_draining(&self) -> bool {
        self.0.triggered.load(Ordering::SeqCst)
    }

    /// Waits for the start of the shutdown. Cancel-safe.
    pub async fn draining(&self) {
        // The waiter counts from its creation, so a trigger after the look below is not missed.
        let notified = self.0.waiting.notified();
        if !self.is_draining() {
            notified.await;
        }
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Whether every connection ended by itself.
    pub completed: bool,
    /// Connections cut at the deadline.
    pub connections_aborted: usize,
}

/// A number that is only read for metrics.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a server counts. Totals only grow.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Connections open now.
    pub connections_open: Counter,
    /// Connections accepted.
    pub accepted_total: Counter,
    /// Times the connection limit was reached.
    pub saturated_total: Counter,
    /// Failed attempts to accept.
    pub accept_errors_total: Counter,
    /// Connections that sent nothing, or not enough to tell their protocol.
    pub silent_total: Counter,
    /// Connections closed after a time without a request.
    pub idle_total: Counter,
    /// Heads that did not arrive in time.
    pub slow_heads_total: Counter,
    /// Connections cut because the client stopped reading.
    pub stalled_total: Counter,
    /// Heads that could not be read.
    pub refused_total: Counter,
    /// Panics in the service.
    pub panics_total: Counter,
    /// Connections cut at the end of a drain.
    pub aborted_total: Counter,
}

/// Counts a panic that unwinds through its owner.
#[derive(Debug)]
pub(super) struct PanicCount(pub(super) Arc<ServerStats>);

impl Drop for PanicCount {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.panics_total.increment();
        }
    }
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub(super) struct OpenCount(Arc<ServerStats>);

impl OpenCount {
    pub(super) fn new(stats: Arc<ServerStats>) -> Self {
        stats.connections_open.increment();
        Self(stats)
    }
}

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.connections_open.decrement();
    }
}
