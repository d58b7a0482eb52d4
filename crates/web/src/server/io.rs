//! The socket as hyper's HTTP/1.1 sees it: it notes what happens, and keeps hyper's own error
//! replies from the client.
//!
//! # Why withholding is sound
//!
//! hyper answers a head it cannot read with a bare `HTTP/1.1 400 Bad Request`, and offers no hook.
//! It does so only while it waits for a head, that is outside of every exchange, and closes the
//! connection afterwards; nothing else is ever written outside of an exchange. So bytes written
//! when no exchange is under way *and* all bytes of earlier answers have been flushed are such a
//! reply. They are withheld here, their status is remembered, and the connection's task writes the
//! service's reply when hyper is done.
//!
//! The head of an answer may leave after its exchange has ended, because hyper buffers it. hyper
//! flushes the socket only when that buffer is empty, hence the count taken in `poll_flush`. Should
//! hyper ever append its reply to an answer that has not been flushed, the reply goes out bare
//! behind it: the worst case is the plain reply, never a damaged answer.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BufMut as _;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::Activity;

/// Where the three digits are in `HTTP/1.1 400 Bad Request`.
const STATUS_DIGITS: std::ops::Range<usize> = 9..12;

/// A request line beyond this is what is too large about a head. RFC 9112 section 3 recommends that
/// a server takes at least 8000 octets; common ones take 8 KiB.
const LINE_BYTES_MAX: usize = 8192;

/// What is written from one place, though it came in several: to copy it costs the system less
/// than to gather it. Most answers are no longer.
const SMALL_BYTES: usize = 1536;

/// A socket under hyper's HTTP/1.1 connection.
#[derive(Debug)]
pub(super) struct Http1Io<T> {
    socket: T,
    activity: Arc<Activity>,
    /// What of the activity had ended when hyper's buffer was last empty.
    flushed: u32,
    /// Whether the head under way has its request line, and how long that is so far.
    line_complete: bool,
    line_bytes: usize,
    refusal: Option<StatusCode>,
    read_closed: bool,
}

impl<T> Http1Io<T> {
    pub(super) fn new(socket: T, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            activity,
            flushed: 0,
            line_complete: false,
            line_bytes: 0,
            refusal: None,
            read_closed: false,
        }
    }

    /// The socket again, the status of the reply withheld from the client if there was one, and
    /// whether the client has closed its side.
    pub(super) fn into_parts(self) -> (T, Option<StatusCode>, bool) {
        (self.socket, self.refusal, self.read_closed)
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.read_closed = true;
        } else if !self.activity.in_exchange() {
            self.note_head(bytes);
        }
    }

    fn note_head(&mut self, mut bytes: &[u8]) {
        if !self.activity.in_head() {
            // RFC 9112 section 2.2: empty lines before a head are not part of it.
            bytes = bytes.trim_ascii_start();
            if bytes.is_empty() {
                return;
            }
            self.activity.enter_head();
            self.line_complete = false;
            self.line_bytes = 0;
        }
        if !self.line_complete {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.line_complete = end.is_some();
            self.line_bytes += end.unwrap_or(bytes.len());
        }
    }

    /// Whether `bytes` are hyper's own reply, or more of it.
    fn withholds(&mut self, bytes: &[u8]) -> bool {
        let answering = self.activity.in_exchange() || self.activity.ended() != self.flushed;
        if self.refusal.is_none() && !answering {
            self.refusal = Some(self.refusal_status(bytes));
        }
        self.refusal.is_some()
    }

    fn refusal_status(&self, reply: &[u8]) -> StatusCode {
        let digits = reply.get(STATUS_DIGITS).unwrap_or_default();
        match StatusCode::from_bytes(digits).unwrap_or(StatusCode::BAD_REQUEST) {
            // RFC 9112 section 3: when it is the target that is too long, say so.
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
                if !self.line_complete || self.line_bytes > LINE_BYTES_MAX =>
            {
                StatusCode::URI_TOO_LONG
            }
            status => status,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Http1Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.note_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Http1Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.withholds(slices.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(length));
        }
        if length > SMALL_BYTES {
            return Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        }
        let mut whole = [0; SMALL_BYTES];
        let mut left = &mut whole[..];
        for slice in slices {
            left.put_slice(slice);
        }
        Pin::new(&mut self.socket).poll_write(cx, &whole[..length])
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        self.flushed = self.activity.ended();
        Poll::Ready(Ok(()))
    }

    /// Leaves the socket open: the connection's task still has to write a refusal, or to linger.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
