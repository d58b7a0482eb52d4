//! What clients that take too long, or are too many, get.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use mainstay_web::server::ServerOptions;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::harness::{SOON, get, http2_get, problem, start};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_mins(10);

/// Every limit is out of reach, so that a test can lower the one it is about.
fn patient() -> ServerOptions {
    ServerOptions {
        first_byte_timeout: LONG,
        header_timeout: LONG,
        idle_timeout: LONG,
        write_stall_timeout: LONG,
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn a_silent_client_is_closed() {
    let server = start(ServerOptions { first_byte_timeout: SHORT, ..patient() });
    let mut client = server.connect().await;
    assert_eq!(client.rest().await, "");
    server.until(|stats| stats.silent_total.get() == 1).await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_408_however_its_bytes_trickle() {
    let server = start(ServerOptions { header_timeout: SHORT, ..patient() });
    let mut client = server.connect().await;
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\n").await;
    // The half-close makes writing fail sooner or later; until then every byte is one more chance
    // for a server that mistakes bytes for progress.
    while server.stats.slow_heads_total.get() == 0 && client.0.write_all(b"X").await.is_ok() {
        sleep(SHORT / 10).await;
        assert!(start.elapsed() < SOON, "trickling keeps the connection");
    }
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body), (408, problem(408)));
    assert!(reply.head.contains("connection: close"));
    assert!(start.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_second_head_is_timed_from_its_own_first_byte() {
    let server = start(ServerOptions { header_timeout: SHORT, ..patient() });
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    // Longer than the limit on heads: between requests it does not apply.
    sleep(SHORT * 2).await;
    assert_eq!(client.get("/").await.status, 200);
    // Nor does it after the empty line some clients send behind a body.
    client.send("\r\n").await;
    sleep(SHORT * 2).await;
    assert_eq!(client.get("/").await.status, 200);
    client.send("GET").await;
    assert_eq!(client.reply().await.status, 408);
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_time_and_not_before() {
    let idle_timeout = SHORT * 5;
    let server = start(ServerOptions { idle_timeout, ..patient() });
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    sleep(SHORT * 2).await;
    let last = Instant::now();
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.rest().await, "");
    assert!(last.elapsed() >= idle_timeout, "closed after {:?}", last.elapsed());
    server.until(|stats| stats.idle_total.get() == 1).await;
}

#[tokio::test]
async fn a_slow_answer_is_neither_idle_nor_a_slow_head() {
    let limits = ServerOptions {
        idle_timeout: SHORT,
        header_timeout: SHORT,
        first_byte_timeout: SHORT,
        ..patient()
    };
    let server = start(limits);
    let mut client = server.connect().await;
    client.send(get("/slow")).await;
    server.slow_begun().await;
    sleep(SHORT * 3).await;
    server.service.release.add_permits(1);
    assert_eq!(client.reply().await.body, "slow");
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let server = start(ServerOptions { idle_timeout: SHORT, ..patient() });
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    server.until(|stats| stats.idle_total.get() == 1 && stats.connections_open.get() == 0).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut() {
    let server = start(ServerOptions { write_stall_timeout: SHORT, ..patient() });
    let mut client = server.connect().await;
    client.send(get("/large")).await;
    server.until(|stats| stats.stalled_total.get() == 1).await;
    server.until(|stats| stats.connections_open.get() == 0).await;
}

#[tokio::test]
async fn an_http2_client_that_stops_reading_is_cut() {
    let server = start(ServerOptions { write_stall_timeout: SHORT, ..patient() });
    let mut sender = server.connect_http2().await;
    let _unread = sender.send_request(http2_get("/large")).await.expect("an answer");
    server.until(|stats| stats.stalled_total.get() == 1).await;
}

#[tokio::test]
async fn a_slow_reader_is_neither_stalled_nor_idle() {
    let limits = ServerOptions {
        idle_timeout: SHORT,
        write_stall_timeout: SHORT * 5,
        linger_timeout: SHORT / 10,
        ..patient()
    };
    let server = start(limits);
    let mut sender = server.connect_http2().await;
    let response = sender.send_request(http2_get("/large")).await.expect("an answer");
    let mut body = response.into_body();
    // The service's one piece is with hyper from the start; it leaves window by window.
    let start = Instant::now();
    while start.elapsed() < SHORT * 8 {
        let frame = body.frame().await.expect("more").expect("not cut");
        assert!(frame.is_data());
        sleep(SHORT / 10).await;
    }
    assert_eq!(server.stats.stalled_total.get() + server.stats.idle_total.get(), 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let server = start(ServerOptions { connections_max: 2, ..patient() });
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    assert_eq!(one.get("/").await.status, 200);
    assert_eq!(two.get("/").await.status, 200);
    server.until(|stats| stats.saturated_total.get() == 1).await;

    let mut three = server.connect().await;
    three.send(get("/three")).await;
    assert_eq!(two.get("/").await.status, 200);
    assert_eq!(server.stats.accepted_total.get(), 2);

    drop(one);
    assert_eq!(three.reply().await.body, "/three");
    assert_eq!(server.stats.accepted_total.get(), 3);
    assert_eq!(server.stats.connections_open.get(), 2);
}
