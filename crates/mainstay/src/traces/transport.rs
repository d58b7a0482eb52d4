//! One attempt to hand a batch to the collector, and what its answer means.
//!
//! By the OTLP specification, "OTLP/HTTP Response" and "Retryable Response Codes"
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).

use std::{
    error::Error,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use mainstay_core::Clock;
use prost::Message;

use super::otlp::{ExportTraceServiceResponse, PartialSuccess};
use crate::{config::Traces, http::Connector, telemetry::Chain};

/// An honest answer has a sentence at most.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("mainstay/", env!("CARGO_PKG_VERSION")));

/// The way to the collector.
pub(super) struct Transport {
    client: Client<Connector, Full<Bytes>>,
    to: Uri,
    headers: HeaderMap,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Answer {
    /// Taken, but for what the collector says.
    Taken(PartialSuccess),
    /// Not wanted, now or later.
    Refused(String),
    /// Worth another attempt: after that long, where the collector has said so.
    Later(String, Option<Duration>),
}

impl Transport {
    /// Fails where the system has no trusted certificates.
    pub(super) fn new(config: &Traces, to: Uri, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut headers = config.headers.0.clone();
        headers.insert(header::CONTENT_TYPE, PROTOBUF);
        headers.insert(header::USER_AGENT, AGENT);
        let connector = crate::http::connector(config.timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { client, to, headers, timeout: config.timeout, clock })
    }

    /// Sends a batch once.
    pub(super) async fn post(&self, batch: Bytes) -> Answer {
        match tokio::time::timeout(self.timeout, self.exchange(batch)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer::Later(Chain(&*error).to_string(), None),
            Err(_) => Answer::Later("no answer in time".to_owned(), None),
        }
    }

    async fn exchange(&self, batch: Bytes) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut request = Request::new(Full::new(batch));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.to.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await?;
        let (head, body) = answer.into_parts();
        let after = retry_after(&head.headers, self.clock.now().into());
        // Read to its end also where nobody wants it, so that the connection can be used again.
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok(match head.status {
            status if status.is_success() => {
                // Some collectors answer nothing, or in JSON: the status says enough.
                let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
                Answer::Taken(answer.partial_success.unwrap_or_default())
            }
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Answer::Later(told(head.status), after),
            status => Answer::Refused(told(status)),
        })
    }
}

fn told(status: StatusCode) -> String {
    format!("the collector answered {}", status.as_u16())
}

/// `Retry-After` of RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("a date");
        let read = |text: &'static str| {
            let header = (header::RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&HeaderMap::from_iter([header]), now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:07 GMT"), Some(Duration::ZERO));
        for text in ["-1", "soon", "", "99999999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
