//! The one line every request leaves in the log.

use std::{fmt, net::IpAddr, time::Duration};

use jiff::Timestamp;

use crate::{
    caller::Subject,
    code::Code,
    journal::Steps,
    trace::{RequestId, TraceContext},
};

/// What is known about a request when it ends. No body, query, header value or raw path is in here,
/// by construction.
#[derive(Clone, Copy)]
pub struct RequestLine<'a> {
    /// When it arrived.
    pub time: Timestamp,
    /// Accepted from the caller or generated.
    pub id: &'a RequestId,
    /// The trace it belongs to and this service's span in it.
    pub trace: &'a TraceContext,
    /// Who asked, when known.
    pub subject: Option<Subject>,
    /// The module that owns the route; `edge` when none was matched.
    pub module: &'static str,
    /// The method, or `OTHER` for one the service does not know.
    pub method: &'static str,
    /// The route's template (`/users/{id}`); `-` when none was matched.
    pub route: &'static str,
    /// The status answered; 499 when the caller went away first.
    pub status: u16,
    /// From the head's arrival to the answer's.
    pub duration: Duration,
    /// Bytes of body announced or read.
    pub bytes_in: u64,
    /// Bytes of body answered.
    pub bytes_out: u64,
    /// The problem's code, for a problem.
    pub code: Option<Code>,
    /// Whether the answer is that to an earlier request with the same idempotency key.
    pub replayed: bool,
    /// The private cause of a 5xx: the error's source chain.
    pub cause: Option<&'a dyn fmt::Display>,
    /// The client's address, after trusted proxies.
    pub client: IpAddr,
    /// What was done for it, where that is recorded.
    pub steps: Option<&'a Steps>,
}

impl fmt::Debug for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLine")
            .field("id", &self.id)
            .field("route", &self.route)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Where request lines go.
pub trait RequestLog: Send + Sync + 'static {
    /// Takes one line. Must not block: a full sink drops the line and counts it.
    fn record(&self, line: &RequestLine<'_>);

    /// Lines lost so far, those of others at the same sink included.
    fn dropped(&self) -> u64 {
        0
    }
}
