//! What clients that behave get, and that one bad request is nobody else's problem.

use std::time::Duration;

use http_body_util::BodyExt;
use mainstay_web::server::ServerOptions;
use tokio::io::AsyncReadExt;

use crate::harness::{SOON, get, http2_get, start};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    for path in ["/a", "/b", "/c"] {
        let reply = client.get(path).await;
        assert_eq!((reply.status, reply.body.as_str(), reply.closes()), (200, path, false));
    }
    assert_eq!(server.stats.accepted_total.get(), 1);
}

#[tokio::test]
async fn an_answer_without_a_body_arrives() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    for _ in 0..2 {
        let reply = client.get("/empty").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client.send([get("/slow"), get("/b"), get("/c")].concat()).await;
    server.slow_begun().await;
    server.service.release.add_permits(1);
    for body in ["slow", "/b", "/c"] {
        assert_eq!(client.reply().await.body, body);
    }
}

#[tokio::test]
async fn a_request_that_starts_like_the_http2_preface_is_http1_all_the_same() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client.0.set_nodelay(true).expect("a socket");
    client.send("P").await;
    server.until(|stats| stats.accepted_total.get() == 1).await;
    client.send("OST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(client.reply().await.body, "3");
}

#[tokio::test]
async fn a_client_that_knows_may_speak_http2() {
    let server = start(ServerOptions::default());
    let mut sender = server.connect_http2().await;
    for path in ["/one", "/two"] {
        let response = sender.send_request(http2_get(path)).await.expect("an answer");
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), path);
    }
}

#[tokio::test]
async fn the_http2_preface_may_arrive_in_pieces() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client.0.set_nodelay(true).expect("a socket");
    for piece in ["PR", "I * HT", "TP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0"] {
        client.send(piece).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut frame_head = [0; 9];
    client.0.read_exact(&mut frame_head).await.expect("a frame");
    assert_eq!(frame_head[3], 4, "the first frame is SETTINGS: {frame_head:?}");
}

#[tokio::test]
async fn an_early_answer_is_read_whole_by_a_client_that_sends_first() {
    let server = start(ServerOptions { linger_timeout: SOON, ..ServerOptions::default() });
    let mut client = server.connect().await;
    let body = vec![b'x'; 5 * 1024 * 1024];
    let head =
        format!("POST /too-large HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head).await;
    client.send(&body).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (413, "no"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_broken_chunk_is_the_services_to_answer() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client
        .send("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (400, "no"));
    assert_eq!(client.rest().await, "");
    assert_eq!(server.stats.refused_total.get(), 0);
}

#[tokio::test]
async fn a_body_is_asked_for_with_100_continue() {
    let server = start(ServerOptions::default());
    let mut client = server.connect().await;
    client
        .send(
            "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
        .await;
    assert_eq!(client.reply().await.status, 100);
    client.send("ab").await;
    assert_eq!(client.reply().await.body, "2");
    assert_eq!(client.get("/next").await.status, 200);
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_nothing_else() {
    let server = start(ServerOptions::default());
    let mut bystander = server.connect().await;
    assert_eq!(bystander.get("/before").await.status, 200);
    let mut client = server.connect().await;
    client.send(get("/panic")).await;
    assert_eq!(client.rest().await, "");
    server.until(|stats| stats.panics_total.get() == 1 && stats.connections_open.get() == 1).await;
    assert_eq!(bystander.get("/after").await.status, 200);
}
