//! The HTTP server: sockets in, requests to one [`Service`] out.
//!
//! hyper parses and writes; this module decides how long anybody may take, how many may come, what
//! is said to a client that cannot be understood, and how it all ends. It exists because
//! `axum::serve` leaves slow clients, full descriptor tables and drains to chance.
//!
//! One connection is one task. In it, three parties share a record of what happens: the socket
//! wrapper (`io`) and the exchanges (`exchange`) write it, the `watchdog` reads it and closes what
//! has lasted too long.

use std::{net::SocketAddr, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

mod connection;
mod exchange;
mod io;
mod lifecycle;
mod listener;
mod options;
mod watchdog;

pub use lifecycle::{Counter, Drained, ServerStats, Shutdown};
pub use listener::Server;
pub use options::ServerOptions;

/// What answers requests; shared by every connection.
///
/// A panic in either method ends that connection (or that HTTP/2 stream) and is counted.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. How long that may take, the reading of the request's body included, is
    /// for the service to bound. The future is dropped when its client goes away.
    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;

    /// Answers a client whose HTTP/1.1 request head cannot become a [`Request`].
    ///
    /// `status` is 400, 408, 414 or 431. The server adds `Content-Length` and `Connection: close`;
    /// everything else, `Date` included, is the service's. Called once per refusal, so this is
    /// also the place to log one.
    fn refuse(&self, status: StatusCode, peer: Peer) -> Response<Bytes>;
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection came from: a proxy's, if there is one.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
}

/// The version of HTTP on a connection, settled by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
}
