//! A server with a service that does as its path says, and a client that sends any bytes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mainstay_web::server::{
    Drained, Peer, Protocol, Server, ServerOptions, ServerStats, Service, Shutdown,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
    time::timeout,
};

/// The bound on everything that should happen "soon"; only a failing test waits this long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// More than the socket buffers of both ends hold together.
const LARGE_BYTES: usize = 64 * 1024 * 1024;

/// Answers by path.
pub(crate) struct Scripted {
    /// `/slow` adds a permit when it begins,
    pub(crate) begun: Semaphore,
    /// and takes one from here before it answers.
    pub(crate) release: Semaphore,
}

impl Service for Scripted {
    async fn call(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        assert_eq!(peer.protocol == Protocol::Http2, request.version() == http::Version::HTTP_2);
        match request.uri().path() {
            "/slow" => {
                self.begun.add_permits(1);
                self.release.acquire().await.expect("open").forget();
                Response::new(Body::from("slow"))
            }
            "/length" => match request.into_body().collect().await {
                Ok(body) => Response::new(Body::from(body.to_bytes().len().to_string())),
                Err(_) => status(StatusCode::BAD_REQUEST),
            },
            "/too-large" => status(StatusCode::PAYLOAD_TOO_LARGE),
            "/large" => Response::new(Body::from(vec![b'x'; LARGE_BYTES])),
            "/empty" => Response::new(Body::empty()),
            "/panic" => panic!("as asked"),
            path => Response::new(Body::from(path.to_owned())),
        }
    }

    fn refuse(&self, status: StatusCode, _: Peer) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .header("content-type", "application/problem+json")
            .body(Bytes::from(problem(status.as_u16())))
            .expect("valid")
    }
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::from("no")).expect("valid")
}

/// The body of a refusal.
pub(crate) fn problem(status: u16) -> String {
    format!(r#"{{"status":{status}}}"#)
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Scripted>,
    pub(crate) stats: Arc<ServerStats>,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<Drained>,
}

pub(crate) fn start(options: ServerOptions) -> Running {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), options).expect("a free port");
    let address = server.local_address().expect("bound");
    let stats = server.stats();
    let service = Arc::new(Scripted { begun: Semaphore::new(0), release: Semaphore::new(0) });
    let shutdown = Shutdown::new();
    let task = tokio::spawn(server.run(Arc::clone(&service), shutdown.clone()));
    Running { address, service, stats, shutdown, task }
}

impl Running {
    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.expect("listening"))
    }

    /// A client that speaks HTTP/2, with windows of 64 KiB.
    pub(crate) async fn connect_http2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let socket = TokioIo::new(self.connect().await.0);
        let handshake = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(64 * 1024)
            .handshake(socket)
            .await;
        let (sender, connection) = handshake.expect("a handshake");
        tokio::spawn(connection);
        sender
    }

    /// Waits until `/slow` has been entered once more.
    pub(crate) async fn slow_begun(&self) {
        let begun = timeout(SOON, self.service.begun.acquire()).await.expect("soon");
        begun.expect("open").forget();
    }

    pub(crate) async fn drained(self) -> Drained {
        timeout(SOON, self.task).await.expect("soon").expect("no panic")
    }

    /// Waits until the counters satisfy `condition`.
    pub(crate) async fn until(&self, condition: impl Fn(&ServerStats) -> bool) {
        let look = async {
            while !condition(&self.stats) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, look).await.unwrap_or_else(|_| panic!("never came: {:?}", self.stats));
    }
}

/// One answer, taken apart as far as the tests need.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The head in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn closes(&self) -> bool {
        self.head.contains("connection: close")
    }
}

pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(get(path)).await;
        self.reply().await
    }

    /// Reads exactly one answer that has a `Content-Length`.
    pub(crate) async fn reply(&mut self) -> Reply {
        timeout(SOON, self.read_reply()).await.expect("soon")
    }

    async fn read_reply(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("the whole body");
        let status = head[9..12].parse().expect("a status");
        Reply { status, head, body: String::from_utf8(body).expect("text") }
    }

    /// Waits for the orderly end of the connection and returns what came before it.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = timeout(SOON, self.0.read_to_end(&mut rest)).await.expect("soon");
        read.expect("closed, not reset");
        String::from_utf8(rest).expect("text")
    }
}

pub(crate) fn http2_get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://localhost{path}")).body(Empty::new()).expect("valid")
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}
