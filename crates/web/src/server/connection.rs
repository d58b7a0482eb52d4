//! One connection from its first byte to its last.

use std::{io, net, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Peer, Protocol, Service,
    exchange::{Activity, exchange},
    io::Http1Io,
    lifecycle::{PanicCount, ServerStats, Shutdown},
    options::ServerOptions,
    watchdog::{Ending, Limits, watch},
};

/// What a client that knows we speak HTTP/2 sends first (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that settle the protocol: `PRI` is reserved by RFC 9113 and no method of HTTP/1.1.
const SNIFF_BYTES: usize = 4;

/// The first pause before looking again at fewer bytes than that; it doubles each time. Taste: a
/// client that sends them one by one gets a dozen looks before its time is up.
const SNIFF_PAUSE: Duration = Duration::from_millis(2);

/// The most hyper buffers in either direction: enough to read large bodies in few calls, and
/// little enough for `connections_max` to bound memory.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// hyper's limit on header lines for which it needs no allocation.
const HEADERS_UNALLOCATED: usize = 100;

/// What every connection of a server shares.
pub(super) struct Shared<S> {
    service: Arc<S>,
    options: ServerOptions,
    stats: Arc<ServerStats>,
    shutdown: Shutdown,
    /// Turns true when idle connections are to close.
    draining: watch::Receiver<bool>,
    http1: http1::Builder,
    http2: http2::Builder<Executor>,
}

impl<S: Service> Shared<S> {
    pub(super) fn new(
        service: Arc<S>,
        options: ServerOptions,
        stats: Arc<ServerStats>,
        shutdown: Shutdown,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let http1 = http1_builder(&options);
        let http2 = http2_builder(&options, Executor(Arc::clone(&stats)));
        Self { service, options, stats, shutdown, draining, http1, http2 }
    }

    /// Serves one connection.
    pub(super) async fn serve(&self, stream: TcpStream, address: net::SocketAddr) {
        let _panics = PanicCount(Arc::clone(&self.stats));
        let first_bytes = timeout(self.options.first_byte_timeout, sniff(&stream));
        let protocol = tokio::select! {
            biased;
            protocol = first_bytes => protocol,
            () = self.drain() => return,
        };
        match protocol {
            Ok(Ok(Some(protocol @ Protocol::Http1))) => {
                self.serve_http1(stream, Peer { address, protocol }).await;
            }
            Ok(Ok(Some(protocol @ Protocol::Http2))) => {
                self.serve_http2(stream, Peer { address, protocol }).await;
            }
            Ok(Ok(None) | Err(_)) | Err(_) => self.stats.silent_total.increment(),
        }
    }

    async fn serve_http1(&self, stream: TcpStream, peer: Peer) {
        let activity = &Arc::new(Activity::new(self.shutdown.clone()));
        let io = TokioIo::new(Http1Io::new(stream, Arc::clone(activity)));
        let answer = service_fn(|request| exchange(&self.service, request, peer, activity));
        let mut connection = self.http1.serve_connection(io, answer);
        let close = http1::Connection::graceful_shutdown;
        let ending = self.watch(&mut connection, close, activity).await;
        self.count(&ending);
        let (stream, refusal, read_closed) = connection.into_parts().io.into_inner().into_parts();
        let refusal = match ending {
            Ending::Idle | Ending::Drained | Ending::Stalled => return,
            Ending::Finished => refusal,
            Ending::SlowHead => Some(StatusCode::REQUEST_TIMEOUT),
        };
        if let Some(status) = refusal {
            self.refuse(&stream, status, peer).await;
        }
        if !read_closed {
            self.linger(&stream).await;
        }
    }

    async fn serve_http2(&self, stream: TcpStream, peer: Peer) {
        let activity = &Arc::new(Activity::new(self.shutdown.clone()));
        let answer = service_fn(|request: Request<Incoming>| {
            exchange(&self.service, request, peer, activity)
        });
        let mut connection = self.http2.serve_connection(TokioIo::new(stream), answer);
        let close = http2::Connection::graceful_shutdown;
        let ending = self.watch(&mut connection, close, activity).await;
        self.count(&ending);
    }

    async fn watch<C: Future + Unpin>(
        &self,
        connection: &mut C,
        close: impl Fn(Pin<&mut C>),
        activity: &Activity,
    ) -> Ending {
        // It changes once.
        let is_drained = || self.draining.has_changed().unwrap_or(true);
        watch(connection, close, activity, self.limits(), self.drain(), is_drained).await
    }

    /// Waits until no new requests are wanted.
    async fn drain(&self) {
        // An error means that the server is gone, which is reason enough.
        let _ = self.draining.clone().wait_for(|draining| *draining).await;
    }

    fn limits(&self) -> Limits {
        Limits {
            idle: self.options.idle_timeout,
            head: self.options.header_timeout,
            send: self.options.write_stall_timeout,
            farewell: self.options.linger_timeout,
        }
    }

    fn count(&self, ending: &Ending) {
        match ending {
            Ending::Finished | Ending::Drained => {}
            Ending::Idle => self.stats.idle_total.increment(),
            Ending::SlowHead => self.stats.slow_heads_total.increment(),
            Ending::Stalled => self.stats.stalled_total.increment(),
        }
    }

    /// Tells a client that its head cannot be read.
    async fn refuse(&self, stream: &TcpStream, status: StatusCode, peer: Peer) {
        self.stats.refused_total.increment();
        let reply = encode(&self.service.refuse(status, peer));
        // A reply fits the socket's buffer; where it does not, the client does not read.
        let _ = timeout(self.options.linger_timeout, write_all(stream, &reply)).await;
    }

    /// Half-closes, then reads until the client has closed too, so that unread data does not make
    /// the kernel reset the connection before the client has read its answer.
    async fn linger(&self, stream: &TcpStream) {
        if SockRef::from(stream).shutdown(net::Shutdown::Write).is_ok() {
            let discarding = discard(stream, self.options.linger_bytes_max);
            let _ = timeout(self.options.linger_timeout, discarding).await;
        }
    }
}

fn http1_builder(options: &ServerOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(options.head_bytes_max)
        .max_buf_size(BUFFER_BYTES_MAX.max(options.head_bytes_max));
    if options.headers_max != HEADERS_UNALLOCATED {
        builder.max_headers(options.headers_max);
    }
    builder
}

/// What a peer may reset, announced or not, stays at the defaults of `h2` (20 and 1,024), which are
/// its answer to rapid reset (CVE-2023-44487).
fn http2_builder(options: &ServerOptions, executor: Executor) -> http2::Builder<Executor> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.http2_streams_max)
        .max_header_list_size(options.head_bytes_max.try_into().unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .keep_alive_interval(options.http2_ping_interval)
        .keep_alive_timeout(options.http2_ping_timeout);
    builder
}

/// Runs the streams of HTTP/2 and counts their panics.
#[derive(Clone)]
struct Executor(Arc<ServerStats>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, stream: F) {
        let panics = PanicCount(Arc::clone(&self.0));
        tokio::spawn(async move {
            let _panics = panics;
            stream.await;
        });
    }
}

/// Looks at the first bytes and leaves them in the socket. `None` when there will be none.
async fn sniff(stream: &TcpStream) -> io::Result<Option<Protocol>> {
    let mut seen = [0; SNIFF_BYTES];
    let mut pause = SNIFF_PAUSE;
    loop {
        match stream.peek(&mut seen).await? {
            0 => return Ok(None),
            length if seen[..length] != HTTP2_PREFACE[..length] => {
                return Ok(Some(Protocol::Http1));
            }
            SNIFF_BYTES => return Ok(Some(Protocol::Http2)),
            // The socket stays readable while these bytes are in it: nothing would announce more.
            _ => {
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

/// The refusal as it goes over the wire. Only the length and the end are ours to say.
fn encode(response: &Response<Bytes>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut reply = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            reply.extend_from_slice(part);
        }
    }
    let length = response.body().len();
    let end = format!("content-length: {length}\r\nconnection: close\r\n\r\n");
    reply.extend_from_slice(end.as_bytes());
    reply.extend_from_slice(response.body());
    reply
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn discard(stream: &TcpStream, bytes_max: usize) -> io::Result<()> {
    let mut left = bytes_max;
    while left > 0 {
        stream.readable().await?;
        match read_once(stream) {
            Ok(0) => break,
            Ok(length) => left = left.saturating_sub(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Apart from [`discard`] so that the buffer is on the stack for a moment, not in every
/// connection's future.
fn read_once(stream: &TcpStream) -> io::Result<usize> {
    stream.try_read(&mut [0; 16 * 1024])
}
