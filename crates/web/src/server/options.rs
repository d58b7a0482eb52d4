//! What an operator may set, and why each default is what it is.

use std::time::Duration;

/// Limits of a [`Server`](super::Server).
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// From accepting a connection to its first byte. 10 s: as patient as with a head.
    pub first_byte_timeout: Duration,
    /// From the first byte of a request head to its last. 10 s: a phone on a bad network needs 3,
    /// and every further second is one more that a slow-head attack holds a connection.
    pub header_timeout: Duration,
    /// Without a request in progress. 75 s: longer than the 60 s that common load balancers keep
    /// idle connections, so that the balancer closes first and no request meets a closing socket.
    pub idle_timeout: Duration,
    /// With bytes of an answer on offer and the client taking none. 30 s: a stalled reader holds
    /// its answer in our memory. On HTTP/2 a byte of any stream counts.
    pub write_stall_timeout: Duration,
    /// Open connections; the rest wait in the kernel's backlog. 10,000 idle ones cost some 100 MiB;
    /// a busy one buffers up to 64 KiB, and an HTTP/2 one that for each of its streams.
    pub connections_max: usize,
    /// Request line and headers together. 16 KiB: what nginx (4 × 8 KiB) and Node (16 KiB) settle
    /// near. The same bound holds for the header list of HTTP/2.
    pub head_bytes_max: usize,
    /// Header lines in a head. 100: hyper's own figure, for which it needs no allocation.
    pub headers_max: usize,
    /// Concurrent requests on one HTTP/2 connection. 128: RFC 9113 section 6.5.2 advises no fewer
    /// than 100.
    pub http2_streams_max: u32,
    /// How often a silent HTTP/2 peer is pinged. 20 s: before most NAT tables forget a connection.
    pub http2_ping_interval: Duration,
    /// How long a ping may stay unanswered. 20 s: hyper's default.
    pub http2_ping_timeout: Duration,
    /// How long to go on reading after the last answer. 1 s: a close with unread data makes the
    /// kernel reset the connection, and the client may lose the answer it has not read yet.
    pub linger_timeout: Duration,
    /// How much to read meanwhile. 8 MiB: a client that sends its whole body before it reads gets
    /// its 413 up to this size.
    pub linger_bytes_max: usize,
    /// From the start of a shutdown to the closing of the listener. Zero; set it to the time a load
    /// balancer takes to notice that readiness is gone.
    pub pre_drain: Duration,
    /// From the closing of the listener to the closing of idle connections. 100 ms: a request that
    /// is on its way on one of them is still answered, whatever continent it comes from.
    pub drain_grace: Duration,
    /// From then on to the cutting of what is still open. 25 s: within the 30 s Kubernetes grants a
    /// process before it kills it.
    pub drain_deadline: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            head_bytes_max: 16 * 1024,
            headers_max: 100,
            http2_streams_max: 128,
            http2_ping_interval: Duration::from_secs(20),
            http2_ping_timeout: Duration::from_secs(20),
            linger_timeout: Duration::from_secs(1),
            linger_bytes_max: 8 * 1024 * 1024,
            pre_drain: Duration::ZERO,
            drain_grace: Duration::from_millis(100),
            drain_deadline: Duration::from_secs(25),
        }
    }
}
