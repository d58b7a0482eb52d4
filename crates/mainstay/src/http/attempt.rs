//! One attempt: a request, and the whole answer, within its time.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use mainstay_core::{StepId, Work};
use tokio::{task, time};
use tokio_rustls::rustls::RootCertStore;

use super::{
    ClientOptions, Connector, Response,
    breaker::Verdict,
    call::Ready,
    carry,
    client::Shared,
    connector,
    connector::connector_trusting,
    trouble::{BoxError, Trouble},
};

/// The connections to a service.
pub(super) type Pool = legacy::Client<Connector, Full<Bytes>>;

/// What the other service has less than we have ourselves, so that its answer, also the one that
/// its time is over, arrives before we give up. Some round trips within a data centre.
pub(super) const MARGIN: Duration = Duration::from_millis(10);

/// Bytes and lines of an answer's head. No honest service has more: what we send ourselves is
/// below 2 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;

impl Shared {
    /// Makes the attempt of this number, from 1, if the breaker lets it. Cancel-safe: dropped, it
    /// closes its connection, or over HTTP/2 its stream.
    pub(super) async fn attempt(
        &self,
        call: &Ready,
        number: u32,
        deadline: Instant,
        step: Option<StepId>,
    ) -> Result<Response, Trouble> {
        let began = Instant::now();
        let whole = self.options.attempt_timeout;
        let left = deadline.saturating_duration_since(began);
        if left <= MARGIN {
            return Err(Trouble::TimedOut { was_whole: false });
        }
        let why = "it has failed too often, and is left alone";
        let refused = |wait| Trouble::Refused { why, wait };
        let permit = self.breaker.admit(began).map_err(refused)?;
        self.figures.attempt();
        // What is refused brings nothing: a breaker that opens again would else find a fortune.
        if number == 1 {
            self.budget.deposit();
        }
        let within = whole.min(left);
        let exchange = self.exchange(call, step, within.saturating_sub(MARGIN));
        let result = match time::timeout(within, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::TimedOut { was_whole: whole <= left }),
        };
        let verdict = result.as_ref().map_or_else(Trouble::verdict, |_| Verdict::Well);
        permit.settle(verdict, Instant::now());
        result
    }

    async fn exchange(
        &self,
        call: &Ready,
        step: Option<StepId>,
        left: Duration,
    ) -> Result<Response, Trouble> {
        let pool = self.pool.get_or_try_init(|| pool(self.base.is_encrypted(), self.options));
        let pool = pool.await.map_err(|error| Trouble::Unreachable(error.into()))?;
        let mut request = http::Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.origin.method.clone();
        *request.uri_mut() = call.uri.clone();
        *request.headers_mut() = call.headers.clone();
        let work = Work::current();
        let journal = work.as_ref().and_then(Work::journal);
        carry::set(request.headers_mut(), journal, step, left);
        let (head, body) = pool.request(request).await?.into_parts();
        let body = Limited::new(body, self.options.body_bytes_max).collect().await;
        // A status that says enough needs no body.
        let (body, cut) = match body {
            Ok(body) => (body.to_bytes(), None),
            Err(error) => (Bytes::new(), Some(error)),
        };
        let response = Response::new(&call.origin, head.status, head.headers, body);
        match (Trouble::with_status(response.said()), cut) {
            (Some(trouble), _) => Err(trouble),
            (None, Some(error)) => Err(cut_short(error)),
            (None, None) => Ok(response),
        }
    }
}

fn cut_short(error: BoxError) -> Trouble {
    if error.is::<LengthLimitError>() { Trouble::TooLarge } else { Trouble::Broken(error) }
}

/// A pool without a connection yet. Reading the certificates of the system takes some milliseconds
/// of disk; where they are not needed, nobody is trusted.
async fn pool(is_encrypted: bool, options: ClientOptions) -> io::Result<Pool> {
    let timeout = options.connect_timeout;
    let connector = if is_encrypted {
        task::spawn_blocking(move || connector(timeout)).await.map_err(io::Error::other)??
    } else {
        connector_trusting(RootCertStore::empty(), timeout)
    };
    Ok(pool_of(connector, options))
}

pub(super) fn pool_of(connector: Connector, options: ClientOptions) -> Pool {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.idle_max)
        .http1_max_buf_size(HEAD_BYTES_MAX)
        .http1_max_headers(HEADERS_MAX)
        .http2_max_header_list_size(HEAD_BYTES_MAX as u32)
        .build(connector)
}
