//! A server that cannot be reached: everybody is told at once, and it is found again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use mainstay_store::{DatabaseOptions, StoreError, params};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

use super::fixture::{at, open, server};

/// Passes everything on until it is dropped.
struct Proxy {
    address: SocketAddr,
    _relaying: JoinSet<()>,
}

impl Proxy {
    async fn start(listen: &str, server: Arc<str>) -> Self {
        let listener = TcpListener::bind(listen).await.expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        let mut relaying = JoinSet::new();
        relaying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(&*server).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, _relaying: relaying }
    }
}

#[tokio::test]
async fn while_nothing_connects_everybody_is_told_at_once() {
    let Some(server) = server() else { return };
    let (before, after) = server.split_once('@').expect("an address with a user");
    let (host, _) = after.split_once('/').expect("an address with a database");
    let host: Arc<str> = host.into();
    let proxy = Proxy::start("127.0.0.1:0", host.clone()).await;
    let address = proxy.address.to_string();
    let url = at(&format!("{before}@{address}/x"), "postgres");
    let db = open(&url, DatabaseOptions::default()).await;
    db.query::<()>("SELECT 1", params![]).await.expect("is answered");
    db.begin().await.expect("begins").commit().await.expect("is committed");
    drop(proxy);
    let begun = Instant::now();
    for _ in 0..100 {
        let refused = db.query::<()>("SELECT 1", params![]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let refused = db.begin().await.err();
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let _proxy = Proxy::start(&address, host).await;
    let begun = Instant::now();
    while db.query::<()>("SELECT 1", params![]).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(3), "the server is not found again");
        tokio::task::yield_now().await;
    }
    db.begin().await.expect("begins").commit().await.expect("is committed");
    db.close().await;
}
