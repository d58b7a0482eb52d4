//! What is known about the request being served, for extractors and for log events.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay_core::{Caller, Journal, RequestId, TraceContext};
use tokio::time::Instant;

use crate::{
    endpoint::{PathParams, Settled},
    extract::Transport,
};

tokio::task_local! {
    /// Set while a handler is polled, so that log events can name the request they belong to.
    pub(crate) static CURRENT: Arc<Context>;
}

/// One request, from its head to its answer.
#[derive(Debug)]
pub struct Context {
    pub(crate) journal: Journal,
    pub(crate) client: IpAddr,
    pub(crate) deadline: Instant,
    pub(crate) endpoint: Arc<Settled>,
    /// Byte ranges of the path parameters in the request's path, in the order of the template.
    pub(crate) path_ranges: Vec<(u32, u32)>,
    pub(crate) body_timeout: Duration,
    /// How sessions travel here.
    pub(crate) transport: Transport,
    pub(crate) caller: OnceLock<Caller>,
    pub(crate) bytes_read: AtomicU64,
    /// Whether the body has been read to its end.
    pub(crate) body_ended: AtomicBool,
    /// Whether the handler has been called. Until then the request has had no effect.
    pub(crate) begun: AtomicBool,
}

impl Context {
    /// The request's id, as in `x-request-id`.
    pub fn id(&self) -> &RequestId {
        self.journal.id()
    }

    /// The trace the request belongs to.
    pub fn trace(&self) -> &TraceContext {
        self.journal.trace()
    }

    /// The client's address, after trusted proxies.
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// When the edge gives up. Waiting past it is wasted.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Who asks, once authenticated.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// The parameters of the matched path, which is `path`.
    pub(crate) fn path_params<'a>(&'a self, path: &'a str) -> PathParams<'a> {
        PathParams { path, names: &self.endpoint.path_names, ranges: &self.path_ranges }
    }

    /// Notes what has arrived of the body. Once it has ended nothing more can, so that a body which
    /// is read again is not counted again.
    pub(crate) fn note_bytes_read(&self, bytes: usize) {
        if !self.body_ended.load(Ordering::Relaxed) {
            self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// Notes that the handler of the request being served is called.
pub(crate) fn begin() {
    // Outside of the edge nobody asks.
    let _ = CURRENT.try_with(|context| context.begun.store(true, Ordering::Relaxed));
}

/// Runs `look` with the request being served by this task, if there is one.
pub fn current<R>(look: impl FnOnce(&Context) -> R) -> Option<R> {
    CURRENT.try_with(|context| look(context)).ok()
}
