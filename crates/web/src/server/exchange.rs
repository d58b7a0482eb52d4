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
use bytes::{Buf, Bytes};
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
    /// Spans that began and that ended; the difference is what is under way.
    begun: AtomicU32,
    ended: AtomicU32,
    /// Answers and pieces of them that wait for the client and for nothing else.
    offered: AtomicU32,
    /// Times the client took part of a piece.
    taken: AtomicU32,
    in_head: AtomicBool,
}

/// What a connection is busy with: each has its own time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// No request, and no byte of one.
    Idle,
    /// Part of a head has arrived.
    Head,
    /// The service works on a request or on the next piece of an answer.
    Working,
    /// There are bytes of an answer for the client to take.
    Sending,
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
            offered: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            in_head: AtomicBool::new(false),
        }
    }

    /// Whether the service has a request, or hyper holds part of its answer's body.
    pub(super) fn in_exchange(&self) -> bool {
        self.begun.load(Relaxed) != self.ended.load(Relaxed)
    }

    /// Grows whenever part of an exchange ends. Wraps around.
    pub(super) fn ended(&self) -> u32 {
        self.ended.load(Relaxed)
    }

    /// Whether part of a head has arrived.
    pub(super) fn in_head(&self) -> bool {
        self.in_head.load(Relaxed)
    }

    /// Notes the first bytes of a head.
    pub(super) fn enter_head(&self) {
        self.in_head.store(true, Relaxed);
    }

    pub(super) fn progress(&self) -> Progress {
        let doing = if self.offered.load(Relaxed) > 0 {
            Doing::Sending
        } else if self.in_exchange() {
            Doing::Working
        } else if self.in_head() {
            Doing::Head
        } else {
            Doing::Idle
        };
        let steps = (self.begun.load(Relaxed), self.ended.load(Relaxed), self.taken.load(Relaxed));
        Progress { doing, steps }
    }
}

/// Part of an exchange, from its making to its dropping.
#[derive(Debug)]
struct Span(Arc<Activity>);

impl Span {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// A span in which, while it is open, only the client is waited for.
#[derive(Debug)]
struct Offer {
    span: Span,
    open: bool,
}

impl Offer {
    fn open(span: Span) -> Self {
        span.0.offered.fetch_add(1, Relaxed);
        Self { span, open: true }
    }

    fn reopen(&mut self) {
        if !self.open {
            self.open = true;
            self.span.0.offered.fetch_add(1, Relaxed);
        }
    }

    fn close(&mut self) {
        if self.open {
            self.open = false;
            self.span.0.offered.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Has the service answer one request.
pub(super) fn exchange<S: Service>(
    service: &Arc<S>,
    request: Request<Incoming>,
    peer: Peer,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<Answer>, Infallible>> + Send + use<S> {
    activity.in_head.store(false, Relaxed);
    let span = Span::begin(activity);
    let answering = Arc::clone(service).call(request, peer);
    async move {
        let mut response = answering.await;
        // hyper says this itself only once the listener is closed, and HTTP/2 says it by GOAWAY.
        if peer.protocol == Protocol::Http1 && span.0.shutdown.is_draining() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Ok(response.map(|body| Answer { body, offer: Offer::open(span) }))
    }
}

/// The body of an answer. Unless it is waiting for its own next piece, it is on offer.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    offer: Offer,
}

impl http_body::Body for Answer {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.offer.close();
            return Poll::Pending;
        };
        self.offer.reopen();
        let activity = &self.offer.span.0;
        Poll::Ready(next.map(|frame| Ok(frame?.map_data(|bytes| Piece::new(bytes, activity)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of an answer. hyper drops the body once it has the last piece, and a piece once its last
/// byte has left for the client: on HTTP/2 that can be much later.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    offer: Offer,
}

impl Piece {
    fn new(bytes: Bytes, activity: &Arc<Activity>) -> Self {
        Self { bytes, offer: Offer::open(Span::begin(activity)) }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.offer.span.0.taken.fetch_add(1, Relaxed);
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.bytes.split_to(length)
    }
}
