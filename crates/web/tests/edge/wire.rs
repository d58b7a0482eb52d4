//! The edge behind real sockets: what hyper adds, leaves out, or does with what nobody has read.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use mainstay_web::server::{Server, ServerOptions, Shutdown};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    answer::Answer,
    harness::{Bench, bench},
    parts::Line,
    service::UPLOAD_BYTES_MAX,
};

/// The bound on everything that should happen "soon"; only a failing test waits this long.
const SOON: Duration = Duration::from_secs(20);

fn serve(bench: &Bench) -> SocketAddr {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), ServerOptions::default());
    let server = server.expect("a free port");
    let address = server.local_address().expect("bound");
    tokio::spawn(server.run(bench.edge.clone(), Shutdown::new()));
    address
}

struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("listening"))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the server reads");
    }

    /// Reads one answer; `method` says whether it has a body.
    async fn reply(&mut self, method: &str) -> Answer {
        timeout(SOON, self.read_reply(method)).await.expect("soon")
    }

    async fn read_reply(&mut self, method: &str) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.lines().filter(|line| !line.is_empty());
        let status = lines.next().expect("a status line")[9..12].parse().expect("a status");
        let mut headers = http::HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header");
            let name: http::HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        let announced = headers.get("content-length").filter(|_| method != "HEAD");
        let length =
            announced.map_or(0, |text| text.to_str().expect("digits").parse().expect("digits"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.expect("the whole body");
        Answer { status, headers, body: body.into() }
    }

    /// Waits for the orderly end of the connection, which nothing may come before.
    async fn ends(&mut self) {
        let mut rest = Vec::new();
        timeout(SOON, self.0.read_to_end(&mut rest))
            .await
            .expect("soon")
            .expect("closed, not reset");
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

fn ask(method: &str, path: &str, rest: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n")
}

fn json(path: &str, body: &str) -> String {
    let length = body.len();
    let rest = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    ask("POST", path, &rest) + body
}

fn chunked(path: &str, chunks: &str) -> String {
    let rest = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    ask("POST", path, rest) + chunks
}

/// Waits for the line of a request that gets no answer.
async fn next_line(bench: &Bench) -> Line {
    let look = async {
        loop {
            if let Some(line) = bench.log.take().pop() {
                return line;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, look).await.expect("soon")
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let bench = bench();
    let mut client = Client::connect(serve(&bench)).await;
    for path in ["/hello", "/nowhere"] {
        let mut answers = Vec::new();
        for method in ["GET", "HEAD"] {
            client.send(&ask(method, path, "X-Request-Id: same\r\n")).await;
            let mut answer = client.reply(method).await;
            for varying in ["date", "traceresponse"] {
                answer.headers.remove(varying);
            }
            answers.push(answer);
        }
        assert_eq!(answers[0].headers, answers[1].headers, "{path}");
        assert!(answers[0].headers.contains_key("content-length"));
    }
    // The next answer follows at once: nothing of a body was sent in between.
    client.send(&ask("GET", "/hello", "")).await;
    assert_eq!(client.reply("GET").await.status, 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let bench = bench();
    let mut client = Client::connect(serve(&bench)).await;
    let requests = [
        ask("GET", "/hello", ""),
        ask("GET", "/nowhere", ""),
        json("/upload", r#"{"text":"abc"}"#),
        json("/upload", r#"{"text":""}"#),
        ask("OPTIONS", "/hello", ""),
        ask("GET", "/panic/literal", ""),
        ask("GET", "/hello", ""),
    ];
    client.send(&requests.concat()).await;
    for status in [200, 404, 200, 422, 204, 500, 200] {
        let answer = client.reply("GET").await;
        answer.check_promises();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("connection"), None);
    }
    assert_eq!(bench.log.take().len(), 7);
}

#[tokio::test]
async fn a_body_that_nobody_wants_does_not_end_a_connection_that_serves() {
    let bench = bench();
    let mut client = Client::connect(serve(&bench)).await;
    client.send(&json("/hello", "12345")).await;
    assert_eq!(client.reply("POST").await.status, 204);
    client.send(&ask("GET", "/hello", "")).await;
    assert_eq!(client.reply("GET").await.status, 200);
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_ends_the_connection_in_order() {
    let bench = bench();
    let address = serve(&bench);
    let large = "x".repeat(UPLOAD_BYTES_MAX + 1);
    let size = large.len();
    for (request, status) in [
        (json("/upload", &large), 413),
        (json("/nowhere", "{}"), 404),
        (json("/strict", "{}"), 401),
        (chunked("/nowhere", "2\r\n{}\r\n0\r\n\r\n"), 404),
        (chunked("/upload", &format!("{size:x}\r\n{large}\r\n")), 413),
    ] {
        let mut client = Client::connect(address).await;
        client.send(&request).await;
        let answer = client.reply("POST").await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
        answer.check_promises();
        client.ends().await;
    }
}

#[tokio::test]
async fn a_body_that_is_read_to_its_end_and_refused_ends_nothing() {
    let bench = bench();
    let mut client = Client::connect(serve(&bench)).await;
    for (request, status) in [
        (json("/upload", "{"), 400),
        (json("/upload", "{}"), 422),
        (chunked("/upload", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), 422),
    ] {
        client.send(&request).await;
        let answer = client.reply("POST").await;
        assert_eq!((answer.status, answer.header("connection")), (status, None), "{request}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_its_handler_along_and_is_recorded_once() {
    let bench = bench();
    let address = serve(&bench);
    let mut client = Client::connect(address).await;
    client.send(&ask("GET", "/endless", "")).await;
    let begun = timeout(SOON, bench.probe.begun.acquire()).await.expect("soon");
    begun.expect("open").forget();
    drop(client);
    let line = next_line(&bench).await;
    assert_eq!((line.status, line.route.as_str()), (499, "/endless"));
    assert_eq!(bench.probe.dropped.load(Ordering::Relaxed), 1);
    // Whoever comes next finds the service well, and no second line of the one who left.
    let mut next = Client::connect(address).await;
    next.send(&ask("GET", "/hello", "")).await;
    assert_eq!(next.reply("GET").await.status, 200);
    assert_eq!(bench.log.only().route, "/hello");
}

#[tokio::test]
async fn a_host_is_asked_of_http_1_1_and_not_of_http_1_0() {
    let bench = bench();
    let address = serve(&bench);
    for (head, status) in [
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("GET http://localhost/hello HTTP/1.1\r\n\r\n", 400),
        ("GET http://localhost/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /hello HTTP/1.0\r\n\r\n", 200),
    ] {
        let mut client = Client::connect(address).await;
        client.send(head).await;
        let answer = client.reply("GET").await;
        answer.check_promises();
        assert_eq!(answer.status, status, "{head}");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_the_same_shape() {
    let bench = bench();
    let address = serve(&bench);
    let header = format!("X: {}\r\n", "x".repeat(20_000));
    for (head, code) in [
        ("G(T / HTTP/1.1\r\n\r\n".to_owned(), "MALFORMED_REQUEST"),
        (ask("GET", "/hello", &header), "HEAD_TOO_LARGE"),
        (format!("GET /{}", "x".repeat(20_000)), "URI_TOO_LONG"),
    ] {
        let mut client = Client::connect(address).await;
        client.send(&head).await;
        let answer = client.reply("GET").await;
        answer.check_promises();
        assert_eq!(answer.code().as_deref(), Some(code));
        client.ends().await;
        let line = bench.log.only();
        assert_eq!((line.code, line.method, line.route.as_str()), (Some(code), "OTHER", "-"));
    }
}
