//! A connection on which a test writes any bytes, well-formed or not.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::client::Reply;

/// The bound on an answer; only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection of HTTP/1.1 without a client in between.
#[derive(Debug)]
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Connects. Panics when nobody listens.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.expect("the service accepts")))
    }

    /// Writes bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the service reads");
    }

    /// Reads one answer. Panics when none comes.
    pub async fn reply(&mut self) -> Reply {
        timeout(PATIENCE, self.read()).await.expect("an answer comes in time")
    }

    async fn read(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("the head of an answer"));
        }
        let head = String::from_utf8(head).expect("a head is ASCII");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)).expect("a status line");
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a header's name");
                (name, HeaderValue::from_str(value).expect("a header's value"))
            })
            .collect();
        let length = headers.get("content-length").and_then(|length| length.to_str().ok());
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
        self.0.read_exact(&mut body).await.expect("the whole body");
        let status = StatusCode::from_bytes(status.as_bytes()).expect("a status");
        Reply { status, headers, body: body.into() }
    }
}
