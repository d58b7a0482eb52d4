//! One request and its answer, and the record of them that a connection's parties share.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::{Peer, Protocol, Service, lifecycle::Shutdown};

/// What has happened on one connection.
///
/// On HTTP/1.1 everything that touches it runs within one task. On HTTP/2 streams have tasks of
/// their own, but each wakes the connection's task afterwards. Relaxed atomics are enough for both.
#[derive(Debug)]
pub(super) struct Activity {
    shutdown: Shutdown,
    begun: AtomicU32,
    ended: AtomicU32,
    unblocked: AtomicU32,
    blocked: AtomicBool,
    in_head: AtomicBool,
}

/// What a connection is busy with: each has its own time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// No request, and no byte of one.
    Idle,
    /// Part of a head has arrived.
    Head,
    /// The service has a request, or its answer is being sent.
    Exchange,
    /// The client does not take the bytes of an answer.
    Stalled,
}

/// Differs from an earlier one exactly when the connection has made progress since. Bytes of an
/// incomplete head are no progress: otherwise a client could feed one for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) doing: Doing,
    steps: (u32, u32, u32),
}

impl Activity {
    pub(super) fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            unblocked: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            in_head: AtomicBool::new(false),
        }
    }

    /// Whether the service has a request whose answer hyper has not taken over completely.
    pub(super) fn in_exchange(&self) -> bool {
        self.begun.load(Relaxed) != self.ended.load(Relaxed)
    }

    /// How many answers hyper has taken over completely. Wraps around.
    pub(super) fn exchanges_ended(&self) -> u32 {
        self.ended.load(Relaxed)
    }

    /// Notes bytes of a head; true for the first of that head.
    pub(super) fn enter_head(&self) -> bool {
        !self.in_head.swap(true, Relaxed)
    }

    /// Notes the outcome of an attempt to write.
    pub(super) fn note_write<T>(&self, outcome: &Poll<T>) {
        let was_blocked = self.blocked.load(Relaxed);
        if was_blocked != outcome.is_pending() {
            self.blocked.store(!was_blocked, Relaxed);
            self.unblocked.fetch_add(u32::from(was_blocked), Relaxed);
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let doing = if self.blocked.load(Relaxed) {
            Doing::Stalled
        } else if self.in_exchange() {
            Doing::Exchange
        } else if self.in_head.load(Relaxed) {
            Doing::Head
        } else {
            Doing::Idle
        };
        let steps =
            (self.begun.load(Relaxed), self.ended.load(Relaxed), self.unblocked.load(Relaxed));
        Progress { doing, steps }
    }
}

/// Marks its connection as being in an exchange until it is dropped.
#[derive(Debug)]
struct InExchange(Arc<Activity>);

impl InExchange {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.in_head.store(false, Relaxed);
        activity.begun.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for InExchange {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// Has the service answer one request.
pub(super) fn exchange<S: Service>(
    service: &Arc<S>,
    request: Request<Incoming>,
    peer: Peer,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<Answer>, Infallible>> + Send + use<S> {
    let in_exchange = InExchange::begin(activity);
    let answering = Arc::clone(service).call(request, peer);
    async move {
        let mut response = answering.await;
        // hyper says this itself only once the listener is closed, and HTTP/2 says it by GOAWAY.
        if peer.protocol == Protocol::Http1 && in_exchange.0.shutdown.is_draining() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Ok(response.map(|body| Answer { body, _in_exchange: in_exchange }))
    }
}

/// The body of an answer. hyper drops it when it has the last byte, which ends the exchange.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _in_exchange: InExchange,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
