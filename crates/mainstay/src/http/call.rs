//! `Call`: one request to another service, before it is sent.

use std::fmt::{self, Display};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use mainstay_core::Secret;
use serde::Serialize;

use super::{CallError, Client, Response, carry, error::Origin, target::Target};

/// `Idempotency-Key`, by which the other service does a call once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Headers of the connection and of the request it is made for: the client's own business.
const OWN: [HeaderName; 10] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    carry::TRACEPARENT,
    carry::TRACESTATE,
    carry::X_REQUEST_ID,
    carry::REQUEST_TIMEOUT,
];

/// A request under construction. A mistake in it is told by [`send`](Self::send), which then sends
/// nothing.
#[must_use = "a call is made by `send`"]
pub struct Call {
    client: Client,
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Bytes,
    is_repeatable: bool,
    mistake: Option<&'static str>,
}

/// A call that can be sent, any number of times.
pub(super) struct Ready {
    pub(super) origin: Origin,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) is_repeatable: bool,
}

impl Call {
    /// The methods that RFC 9110, section 9.2.2, calls idempotent may be repeated.
    pub(super) fn new(client: Client, method: Method, template: &'static str) -> Self {
        let is_repeatable = method.is_idempotent();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (target, body, mistake) = (Target::new(template), Bytes::new(), None);
        Self { client, method, target, headers, body, is_repeatable, mistake }
    }

    /// The value of `{name}` in the path. Whatever it holds stays one segment; an empty one, `.`
    /// and `..` are mistakes.
    pub fn param(mut self, name: &'static str, value: impl Display) -> Self {
        self.target.param(name, &value);
        self
    }

    /// Adds `name=value` to the query.
    pub fn query(mut self, name: &'static str, value: impl Display) -> Self {
        self.target.query(name, &value);
        self
    }

    /// Sets a header. Those of the connection, the trace and the deadline are the client's own.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if OWN.contains(&name) {
            self.mistake = Some("a header was set that the client sets itself");
        } else if let Ok(mut value) = HeaderValue::from_str(value) {
            // It may be a credential: neither shown nor kept in an index of HTTP/2.
            value.set_sensitive(true);
            self.headers.insert(name, value);
        } else {
            self.mistake = Some("the value of a header has characters that none may have");
        }
        self
    }

    /// Sends a token with it.
    pub fn bearer(self, token: &Secret<String>) -> Self {
        self.header(header::AUTHORIZATION, &format!("Bearer {}", token.reveal()))
    }

    /// Says that the other service does what has this key once, so that the call may be repeated.
    /// The key is the same when the caller tries again.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.is_repeatable = true;
        self.header(IDEMPOTENCY_KEY, key)
    }

    /// Says that the call does no harm when it is made twice, whatever its method.
    pub fn idempotent(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// Sends this as JSON.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body = body.into(),
            Err(_) => self.mistake = Some("the body cannot be written as JSON"),
        }
        let json = HeaderValue::from_static("application/json");
        self.headers.insert(header::CONTENT_TYPE, json);
        self
    }

    /// Sends it, again where that is allowed, and reads the whole answer.
    ///
    /// An answer with a status of 200 to 499 is a [`Response`], but for 429. It takes no longer
    /// than the request that it is made for has left. Dropped, it ends the attempt, and closes its
    /// connection or its stream; whether the other service has done it is then not known.
    pub async fn send(self) -> Result<Response, CallError> {
        let client = self.client.clone();
        let ready = self.ready()?;
        client.send(&ready).await
    }

    fn ready(self) -> Result<Ready, CallError> {
        let Self { client, method, target, headers, body, is_repeatable, mistake } = self;
        let origin = Origin { client: client.name(), method, template: target.template() };
        let base = client.base();
        let address = match mistake {
            Some(mistake) => Err(mistake),
            None => target.build(base.prefix()),
        };
        let too_long = |_| "the path or the query is too long";
        match address.and_then(|path| base.at(path).map_err(too_long)) {
            Ok(uri) => Ok(Ready { origin, uri, headers, body, is_repeatable }),
            Err(mistake) => Err(CallError::mistake(&origin, mistake)),
        }
    }
}

impl fmt::Debug for Call {
    /// Without anything that it sends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, template) = (self.client.name(), self.target.template());
        write!(f, "Call({client}, {} {template})", self.method)
    }
}
