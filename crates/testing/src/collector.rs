//! A collector of traces, which is as unwell as a test wants.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

use crate::otlp::{self, ExportedSpan};

/// How a collector answers.
#[derive(Clone, Debug)]
pub enum Mood {
    /// It takes everything.
    Well,
    /// It takes all but so many spans, and says why.
    Picky(u8, &'static str),
    /// It answers a status, and perhaps `Retry-After`.
    Answers(u16, Option<&'static str>),
    /// It takes connections and requests, and never answers.
    Silent,
}

/// One request to it.
#[derive(Clone, Debug)]
pub struct Export {
    /// When its body was there.
    pub at: Instant,
    /// Where it went.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether it was taken.
    pub taken: bool,
}

/// A collector on a real socket. It is gone when this is dropped, connections included.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    exports: Mutex<Vec<Export>>,
    changed: Notify,
}

impl Collector {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts it where another one has been.
    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (mood, exports) = (Mutex::new(Mood::Well), Mutex::default());
        let shared = Arc::new(Shared { mood, exports, changed: Notify::new() });
        let serving = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, serving }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers differently from now on.
    pub fn becomes(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// Every request so far, also those that it did not take.
    pub fn exports(&self) -> Vec<Export> {
        lock(&self.shared.exports).clone()
    }

    /// Every span that it has taken.
    pub fn spans(&self) -> Vec<ExportedSpan> {
        let exports = self.exports();
        exports.iter().filter(|export| export.taken).flat_map(|e| otlp::spans(&e.body)).collect()
    }

    /// The spans of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<ExportedSpan> {
        let spans = self.spans().into_iter();
        spans.filter(|span| span.trace_id == trace_id).collect()
    }

    /// Waits until it has seen what a test waits for. Panics after half a minute.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if is_so(self) {
                    return;
                }
                changed.await;
            }
        };
        let in_time = timeout(Duration::from_secs(30), wait).await;
        assert!(in_time.is_ok(), "{what}: the collector has seen {:#?}", self.spans());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// No code that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this future, and with it every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        let service = service_fn(move |request| answer(request, shared.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let mood = lock(&shared.mood).clone();
    lock(&shared.exports).push(Export {
        at: Instant::now(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
        taken: matches!(mood, Mood::Well | Mood::Picky(..)),
    });
    shared.changed.notify_waiters();
    let (status, retry_after, body) = match mood {
        Mood::Well => (200, None, Vec::new()),
        Mood::Picky(rejected, why) => (200, None, partial_success(rejected, why)),
        Mood::Answers(status, retry_after) => (status, retry_after, Vec::new()),
        Mood::Silent => pending().await,
    };
    let mut response = Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Full::new(body.into())).expect("a response"))
}

/// `ExportTraceServiceResponse { partial_success: { rejected_spans, error_message } }`.
fn partial_success(rejected: u8, why: &str) -> Vec<u8> {
    assert!(rejected < 128 && why.len() < 100, "one byte holds each length");
    let inner = [&[0x08, rejected, 0x12, why.len() as u8], why.as_bytes()].concat();
    [&[0x0a, inner.len() as u8], &*inner].concat()
}
