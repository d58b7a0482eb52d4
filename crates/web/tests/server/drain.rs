//! How a server ends.

use std::{io::Write, time::Duration};

use http_body_util::BodyExt;
use mainstay_web::server::{Drained, ServerOptions};
use tokio::net::TcpStream;

use crate::harness::{Client, SOON, get, http2_get, start};

const COMPLETE: Drained = Drained { completed: true, connections_aborted: 0 };

#[tokio::test]
async fn a_request_under_way_is_finished_and_everything_else_ends() {
    let server = start(ServerOptions::default());
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send(get("/slow")).await;
    server.slow_begun().await;

    server.shutdown.trigger();
    assert!(server.shutdown.is_draining());
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "the listener is closed");

    server.service.release.add_permits(1);
    let reply = busy.reply().await;
    assert_eq!((reply.body.as_str(), reply.closes()), ("slow", true));
    assert_eq!(busy.rest().await, "");
    assert_eq!(server.drained().await, COMPLETE);
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_answered() {
    let options = ServerOptions { drain_grace: SOON, ..ServerOptions::default() };
    let server = start(options);
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    server.shutdown.trigger();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // Without the grace the connection would be closed by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let reply = idle.get("/late").await;
    assert_eq!((reply.body.as_str(), reply.closes()), ("/late", true));
    drop(idle);
    assert_eq!(server.drained().await, COMPLETE);
}

#[tokio::test]
async fn what_outlasts_the_deadline_is_cut() {
    let deadline = Duration::from_millis(100);
    let server = start(ServerOptions { drain_deadline: deadline, ..ServerOptions::default() });
    let mut stuck = server.connect().await;
    stuck.send(get("/slow")).await;
    server.slow_begun().await;
    server.shutdown.trigger();
    assert_eq!(stuck.rest().await, "");
    assert_eq!(server.stats.connections_open.get(), 0);
    assert_eq!(server.stats.aborted_total.get(), 1);
    assert_eq!(server.drained().await, Drained { completed: false, connections_aborted: 1 });
}

#[tokio::test]
async fn before_the_drain_new_connections_are_welcome_and_told_to_leave() {
    let pre_drain = Duration::from_secs(2);
    let server = start(ServerOptions { pre_drain, ..ServerOptions::default() });
    let mut old = server.connect().await;
    assert!(!old.get("/").await.closes());
    server.shutdown.trigger();
    let mut new = server.connect().await;
    for client in [&mut old, &mut new] {
        let reply = client.get("/").await;
        assert_eq!((reply.status, reply.closes()), (200, true));
        assert_eq!(client.rest().await, "");
    }
    assert_eq!(server.drained().await, COMPLETE);
}

#[tokio::test]
async fn a_server_nobody_uses_ends_at_once() {
    let server = start(ServerOptions::default());
    server.shutdown.trigger();
    server.shutdown.draining().await;
    assert_eq!(server.drained().await, COMPLETE);
}

#[tokio::test]
async fn an_http2_stream_under_way_is_finished() {
    let server = start(ServerOptions::default());
    let mut sender = server.connect_http2().await;
    let answer = tokio::spawn(sender.send_request(http2_get("/slow")));
    server.slow_begun().await;
    server.shutdown.trigger();
    server.service.release.add_permits(1);
    let response = answer.await.expect("no panic").expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "slow");
    // The client goes when it is told to.
    assert_eq!(server.drained().await, COMPLETE);
}

#[tokio::test]
async fn who_has_connected_before_the_listener_closes_is_served() {
    let server = start(ServerOptions::default());
    // Blocking calls on the only thread of this runtime: the server cannot accept meanwhile.
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut socket = std::net::TcpStream::connect(server.address).expect("listening");
        socket.write_all(get("/in-time").as_bytes()).expect("room");
        waiting.push(socket);
    }
    server.shutdown.trigger();
    for socket in waiting {
        socket.set_nonblocking(true).expect("a socket");
        let mut client = Client(TcpStream::from_std(socket).expect("a runtime"));
        let reply = client.reply().await;
        assert_eq!((reply.body.as_str(), reply.closes()), ("/in-time", true));
    }
    assert_eq!(server.drained().await, COMPLETE);
}
