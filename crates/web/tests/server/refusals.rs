//! Heads that cannot be read: the client gets the service's reply, never hyper's bare one.

use mainstay_web::server::ServerOptions;

use crate::harness::{Client, SOON, get, problem, start};

/// Reads the refusal and the end of the connection behind it.
async fn refused(client: &mut Client, status: u16, case: &str) {
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.clone()), (status, problem(status)), "{case}");
    assert!(reply.closes(), "{case}: {}", reply.head);
    assert!(reply.head.contains("application/problem+json"), "{case}");
    assert_eq!(client.rest().await, "", "{case}");
}

fn with_headers(headers: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

#[tokio::test]
async fn unreadable_heads_are_answered_by_the_service() {
    let server = start(ServerOptions::default());
    let cases = [
        ("bad method", 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("bad target", 400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        ("bad version", 400, "GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned()),
        ("no version", 400, "GET /\r\n\r\n".to_owned()),
        ("NUL in a value", 400, with_headers("X: a\0b\r\n")),
        ("space before the colon", 400, with_headers("X : a\r\n")),
        ("folded line", 400, with_headers("X: a\r\n b\r\n")),
        ("two lengths", 400, with_headers("Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("negative length", 400, with_headers("Content-Length: -1\r\n")),
        ("unknown coding", 400, with_headers("Transfer-Encoding: gzip\r\n")),
        ("too large", 431, with_headers(&format!("X: {}\r\n", "x".repeat(20_000)))),
        ("too large, unfinished", 431, format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000))),
        ("too many", 431, with_headers(&"X: a\r\n".repeat(101))),
        ("long target", 414, format!("GET /{}", "x".repeat(20_000))),
        ("long target, whole head", 414, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))),
        ("long target after an empty line", 414, format!("\r\nGET /{}", "x".repeat(20_000))),
    ];
    let count = cases.len() as u64;
    for (case, status, bytes) in cases {
        let mut client = server.connect().await;
        client.send(bytes).await;
        refused(&mut client, status, case).await;
    }
    assert_eq!(server.stats.refused_total.get(), count);
}

#[tokio::test]
async fn limits_on_heads_are_the_operators() {
    let server =
        start(ServerOptions { headers_max: 3, head_bytes_max: 1000, ..ServerOptions::default() });
    let mut client = server.connect().await;
    client.send(with_headers("A: a\r\nB: b\r\n")).await;
    assert_eq!(client.reply().await.status, 200);
    client.send(with_headers("A: a\r\nB: b\r\nC: c\r\n")).await;
    refused(&mut client, 431, "one line too many").await;
    let mut client = server.connect().await;
    client.send(with_headers(&format!("X: {}\r\n", "x".repeat(1000)))).await;
    refused(&mut client, 431, "a few bytes too many").await;
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    let server = start(ServerOptions::default());
    let bad = "G(T / HTTP/1.1\r\n\r\n";

    let mut client = server.connect().await;
    assert_eq!(client.get("/first").await.body, "/first");
    client.send(bad).await;
    refused(&mut client, 400, "after an answer").await;

    let mut client = server.connect().await;
    client.send([&get("/first"), bad].concat()).await;
    assert_eq!(client.reply().await.body, "/first");
    refused(&mut client, 400, "pipelined").await;

    let mut client = server.connect().await;
    client.send([&get("/slow"), bad].concat()).await;
    server.slow_begun().await;
    server.service.release.add_permits(1);
    assert_eq!(client.reply().await.body, "slow");
    refused(&mut client, 400, "pipelined behind a slow one").await;
}

#[tokio::test]
async fn a_refusal_behind_a_large_answer_damages_nothing() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client.send([&get("/large"), "G(T / HTTP/1.1\r\n\r\n"].concat()).await;
    let answer = client.reply().await;
    assert!(answer.body.bytes().all(|byte| byte == b'x'));
    refused(&mut client, 400, "behind a large answer").await;
}

#[tokio::test]
async fn a_refusal_is_read_whole_by_a_client_that_goes_on_sending() {
    let server = start(ServerOptions { linger_timeout: SOON, ..ServerOptions::default() });
    let mut client = server.connect().await;
    client.send(with_headers("Content-Length: 1\r\nContent-Length: 2\r\n")).await;
    client.send(vec![b'x'; 4 * 1024 * 1024]).await;
    refused(&mut client, 400, "still sending").await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_head_gets_no_reply() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client.send("GET / HT").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.expect("open");
    assert_eq!(client.rest().await, "");
    assert_eq!(server.stats.refused_total.get(), 0);
}
