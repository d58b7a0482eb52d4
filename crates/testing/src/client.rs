//! A small HTTP client: one call, one connection, the whole reply.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A call under construction.
#[derive(Clone, Debug)]
#[must_use]
pub struct Call {
    address: SocketAddr,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    /// A call to any address, such as that of a process.
    pub fn new(address: SocketAddr, method: Method, target: &str) -> Self {
        let mut headers = HeaderMap::new();
        let host = address.to_string().parse().expect("an address is a host");
        headers.insert(header::HOST, host);
        Self { address, method, target: target.to_owned(), headers, body: Bytes::new() }
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Adds a header. Panics on what is no header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().expect("a header value"));
        self
    }

    /// Signs in with a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sets a body of any kind.
    pub fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// Sends it. Panics when no reply comes: every request has an answer.
    pub async fn send(self) -> Reply {
        let what = format!("{} {}", self.method, self.target);
        self.attempt().await.unwrap_or_else(|| panic!("{what} has no answer"))
    }

    /// Sends it to a service that may be gone; `None` when no whole reply comes.
    pub async fn attempt(self) -> Option<Reply> {
        let Self { address, method, target, headers, body } = self;
        let stream = TcpStream::connect(address).await.ok()?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let driver = tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().expect("a request target");
        *request.headers_mut() = headers;
        let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        driver.abort();
        Some(Reply { status: parts.status, headers: parts.headers, body })
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON. Panics when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A problem's code; empty for anything else.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// `(in, pointer, code)` of each field problem, sorted.
    pub fn fields(&self) -> Vec<(String, String, String)> {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let mut fields: Vec<_> = errors
            .iter()
            .map(|e| (text(&e["in"]), text(&e["pointer"]), text(&e["code"])))
            .collect();
        fields.sort();
        fields
    }
}
