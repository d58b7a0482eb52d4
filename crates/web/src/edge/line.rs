//! The request line: begun with the head, written exactly once, also when the caller goes away.

use std::{net::IpAddr, sync::Arc, sync::atomic::Ordering};

use axum::{extract::Request, http::Method, response::Response};
use http_body::Body as _;
use mainstay_core::{Code, RequestLine, Timestamp};
use tokio::time::Instant;

use super::{Edge, arrival::Arrival, limit::RateHeaders};
use crate::{context::Context, endpoint::Settled, respond::Problem, server::Peer};

/// nginx's status for a client that closed before the answer; never sent.
pub(super) const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What is known about a request so far. Dropped without [`end`](Line::end), it records that the
/// caller went away.
pub(super) struct Line<'e> {
    edge: &'e Edge,
    time: Timestamp,
    pub(super) start: Instant,
    pub(super) arrival: Arrival,
    pub(super) client: IpAddr,
    pub(super) method: &'static str,
    /// The body's length; `None` when only its end will tell.
    announced: Option<u64>,
    pub(super) endpoint: Option<Arc<Settled>>,
    pub(super) context: Option<Arc<Context>>,
    pub(super) rate: Option<RateHeaders>,
    /// The answer is that to an earlier request.
    pub(super) replayed: bool,
    ended: bool,
}

impl<'e> Line<'e> {
    pub(super) fn begin(edge: &'e Edge, request: &Request, peer: &Peer) -> Self {
        let headers = request.headers();
        let time = edge.parts.clock.now();
        let start = Instant::now();
        edge.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            edge,
            time,
            start,
            arrival: Arrival::read(headers, time, start.into_std(), &edge.options),
            client: edge.options.proxies.client(peer.address.ip(), headers),
            method: method_name(request.method()),
            announced: request.body().size_hint().exact(),
            endpoint: None,
            context: None,
            rate: None,
            replayed: false,
            ended: false,
        }
    }

    /// Whether some of the client's body has not been read.
    pub(super) fn has_unread_body(&self) -> bool {
        let read_to_end = |context: &Arc<Context>| context.body_ended.load(Ordering::Relaxed);
        match self.announced {
            Some(announced) => announced > self.bytes_read(),
            None => !self.context.as_ref().is_some_and(read_to_end),
        }
    }

    fn bytes_read(&self) -> u64 {
        self.context.as_ref().map_or(0, |context| context.bytes_read.load(Ordering::Relaxed))
    }

    /// Writes the line for the answer that is about to be sent.
    pub(super) fn end(mut self, response: &Response, problem: Option<&Problem>) {
        self.ended = true;
        // hyper leaves the body of an answer to HEAD out.
        let sent = (self.method != "HEAD").then(|| response.body().size_hint().exact());
        let bytes_out = sent.flatten().unwrap_or(0);
        let cause = problem.and_then(Problem::cause);
        self.record(response.status().as_u16(), bytes_out, problem.map(Problem::code), cause);
    }

    fn record(&self, status: u16, bytes_out: u64, code: Option<Code>, cause: Option<&str>) {
        let context = self.context.as_deref();
        let (module, route) = match &self.endpoint {
            Some(endpoint) => (endpoint.module, endpoint.path),
            None => ("edge", "-"),
        };
        let journal = &self.arrival.journal;
        let steps = journal.take();
        self.edge.parts.log.record(&RequestLine {
            time: self.time,
            id: journal.id(),
            trace: journal.trace(),
            subject: context.and_then(Context::caller).map(|caller| caller.subject),
            module,
            method: self.method,
            route,
            status,
            duration: self.start.elapsed(),
            bytes_in: self.bytes_read().max(self.announced.unwrap_or(0)),
            bytes_out,
            code,
            replayed: self.replayed,
            cause: cause.as_ref().map(|cause| cause as &dyn std::fmt::Display),
            client: self.client,
            steps: steps.as_ref(),
        });
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.record(CLIENT_CLOSED_REQUEST, 0, None, None);
        }
        self.edge.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The name in request lines of a method that is not known.
pub(super) const OTHER: &str = "OTHER";

/// A method of RFC 9110 or RFC 5789 by name; any other could be made up by the caller.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => OTHER,
    }
}
