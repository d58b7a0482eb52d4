//! Cancellation of what one connection does, and what its key tells about the other side.

use std::{
    future::{Ready, ready},
    io,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_postgres::{CancelToken, tls::TlsConnect};

use super::{
    socket::{Peer, Socket},
    tls::{Handshake, Opaque},
};

/// Everything that a `CancelRequest` needs.
pub(super) struct Canceller {
    pub(super) token: CancelToken,
    pub(super) peer: Peer,
    pub(super) handshake: Handshake,
}

impl Canceller {
    /// Sends the request, and returns when the server has acted on it. False when it could not be
    /// sent.
    ///
    /// The server closes the socket after it has signalled the process. Whoever does not wait for
    /// that may find the signal hitting the next statement of the connection.
    pub(super) async fn cancel(&self) -> bool {
        let Ok(mut stream) = self.peer.open(None).await else { return false };
        // The driver takes the stream it is given, and drops it when all is sent. This end stays.
        let (near, mut far) = tokio::io::duplex(RELAY_BYTES);
        let sending = self.token.cancel_query_raw(Socket::new(near), self.handshake.clone());
        let (mut far_reader, mut far_writer) = tokio::io::split(&mut far);
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        // The end of what is sent is not passed on: PgBouncer 1.18 dies of a cancellation whose
        // sender closes its half first. Errors are resets: closed as well.
        let outward = async { drop(tokio::io::copy(&mut far_reader, &mut writer).await) };
        let inward = async {
            drop(tokio::io::copy(&mut reader, &mut far_writer).await);
            drop(tokio::io::copy(&mut reader, &mut tokio::io::sink()).await);
        };
        let (sent, (), ()) = tokio::join!(sending, outward, inward);
        sent.is_ok()
    }
}

/// A TLS handshake in few steps; a plain request has 16 bytes.
const RELAY_BYTES: usize = 8 << 10;

/// Lengths of the packets, from the protocol's description ("Message Formats").
const SSL_REQUEST_BYTES: usize = 8;
const CANCEL_REQUEST_BYTES: usize = 16;

/// The process that the key names, read from the request that it would send. The driver does not
/// tell it otherwise.
pub(super) async fn process_of(token: &CancelToken) -> Option<i32> {
    let (near, mut far) = tokio::io::duplex(2 * CANCEL_REQUEST_BYTES);
    let reading = async move {
        let mut packet = [0; CANCEL_REQUEST_BYTES];
        far.read_exact(&mut packet[..SSL_REQUEST_BYTES]).await.ok()?;
        if usize::from(packet[3]) == SSL_REQUEST_BYTES {
            far.write_all(b"S").await.ok()?;
            far.read_exact(&mut packet[..SSL_REQUEST_BYTES]).await.ok()?;
        }
        far.read_exact(&mut packet[SSL_REQUEST_BYTES..]).await.ok()?;
        Some(i32::from_be_bytes(packet[8..12].try_into().ok()?))
    };
    let (_, process) = tokio::join!(token.cancel_query_raw(near, Hollow), reading);
    process
}

/// Stands for TLS where nothing leaves the process.
struct Hollow;

impl TlsConnect<DuplexStream> for Hollow {
    type Stream = Opaque<DuplexStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Opaque<DuplexStream>>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Opaque(stream)))
    }
}
