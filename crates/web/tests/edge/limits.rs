//! Rate limits: whom they count, when they are charged, what a client is told.

use axum::body::Body;
use ipnet::IpNet;
use mainstay_web::{
    EdgeOptions,
    edge::TrustedProxies,
    server::{Peer, Protocol},
};

use crate::{
    answer::Answer,
    harness::{Bench, PEER, bench, bench_with, by, get, options, peer, post},
};

async fn send_from(bench: &Bench, peer: &Peer, forwarded: Option<&str>) -> Answer {
    let request = forwarded
        .into_iter()
        .fold(get("/limited"), |request, hops| request.header("x-forwarded-for", hops));
    let request = request.body(Body::empty()).expect("a request");
    Answer::read(bench.edge.handle(request, peer).await).await
}

#[tokio::test]
async fn the_window_is_counted_down_and_then_closed() {
    let bench = bench();
    for (status, state) in [
        (204, "\"things.limited\";r=1"),
        (204, "\"things.limited\";r=0;t=30"),
        (429, "\"things.limited\";r=0;t=30"),
        (429, "\"things.limited\";r=0;t=30"),
    ] {
        let answer = bench.send(get("/limited")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("ratelimit"), Some(state));
        assert_eq!(answer.header("ratelimit-policy"), Some("\"things.limited\";q=2;w=60"));
    }
    assert_eq!(bench.quotas.charged("things.limited"), 2);
}

#[tokio::test]
async fn an_endpoint_without_a_limit_of_its_own_shares_the_default() {
    let bench = bench_with(EdgeOptions { limit_quota: 2, limit_multiplier: 3, ..options() });
    for left in (0..6).rev() {
        let answer = bench.send(get("/answer/NONE")).await;
        let state = answer.header("ratelimit").expect("a state").to_owned();
        assert!(state.starts_with(&format!("\"default\";r={left}")), "{state}");
        assert_eq!(answer.header("ratelimit-policy"), Some("\"default\";q=6;w=60"));
    }
    let answer = bench.send(get("/search?word=a")).await;
    assert_eq!(answer.code().as_deref(), Some("RATE_LIMITED"));
    let unlimited = bench.send(get("/hello")).await;
    assert_eq!((unlimited.status, unlimited.header("ratelimit")), (200, None));
}

#[tokio::test]
async fn a_limiter_that_has_to_ask_is_waited_for() {
    let bench = bench();
    assert_eq!(bench.send(get("/later")).await.status, 204);
    assert_eq!(bench.send(get("/later")).await.status, 429);
}

#[tokio::test]
async fn each_client_has_a_window_of_its_own_and_forged_headers_open_no_other() {
    let bench = bench();
    for forged in [None, Some("198.51.100.1")] {
        assert_eq!(send_from(&bench, &PEER, forged).await.status, 204);
    }
    for forged in [None, Some("198.51.100.2"), Some("192.0.2.8")] {
        assert_eq!(send_from(&bench, &PEER, forged).await.status, 429, "{forged:?}");
    }
    assert_eq!(send_from(&bench, &peer([192, 0, 2, 8]), None).await.status, 204);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_counted() {
    let networks: Vec<IpNet> = vec!["192.0.2.7/32".parse().expect("a network")];
    let proxies = TrustedProxies { networks, ..TrustedProxies::default() };
    let bench = bench_with(EdgeOptions { proxies, ..options() });
    for (hops, status) in [
        ("198.51.100.1", 204),
        ("198.51.100.1", 204),
        ("198.51.100.1", 429),
        ("198.51.100.2, 198.51.100.1", 429),
        ("198.51.100.1, 198.51.100.2", 204),
    ] {
        let answer = send_from(&bench, &PEER, Some(hops)).await;
        assert_eq!(answer.status, status, "{hops}");
    }
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_network_share_a_window() {
    let bench = bench();
    let from = |address: &str| Peer {
        address: format!("[{address}]:4711").parse().expect("an address"),
        protocol: Protocol::Http1,
    };
    for (address, status) in
        [("2001:db8::1", 204), ("2001:db8::2", 204), ("2001:db8::3", 429), ("2001:db8:0:1::1", 204)]
    {
        assert_eq!(send_from(&bench, &from(address), None).await.status, status, "{address}");
    }
}

#[tokio::test]
async fn a_client_is_counted_before_anybody_looks_at_its_credential_or_body() {
    let bench = bench();
    let answer = bench.send_json(post("/strict"), "not JSON").await;
    assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"));
    assert_eq!(answer.header("ratelimit"), Some("\"things.strict\";r=0;t=30"));
    for request in [post("/strict"), by("admin", post("/strict")), by("nobody", post("/strict"))] {
        let answer = bench.send_json(request, "not JSON").await;
        assert_eq!(answer.code().as_deref(), Some("RATE_LIMITED"));
    }
}

#[tokio::test]
async fn what_its_head_rules_out_is_not_counted() {
    let bench = bench();
    for request in [post("/strict"), get("/strict"), post("/strict").header("host", "b")] {
        assert!(bench.send_with(request, "{}").await.status >= 400);
    }
    assert_eq!(bench.quotas.charged("things.strict"), 0);
}

#[tokio::test]
async fn authorization_is_decided_before_the_body_is_read() {
    let (answer, line) = bench()
        .send_and_see(
            by("alice", post("/strict")).header("content-type", "application/json"),
            "not JSON",
        )
        .await;
    assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"));
    assert_eq!(line.bytes_in, 8, "announced");
    assert_eq!(answer.header("connection"), Some("close"), "the body is not read");
}

#[tokio::test]
async fn a_principal_is_counted_wherever_it_comes_from_and_nobody_else_with_it() {
    let bench = bench();
    assert_eq!(bench.send(get("/me")).await.status, 401);
    assert_eq!(bench.send(by("nobody", get("/me"))).await.status, 401);
    assert_eq!(bench.quotas.charged("things.me"), 0);
    for status in [200, 200, 429] {
        let answer = bench.send(by("alice", get("/me"))).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("ratelimit-policy"),
            Some("\"default\";q=600;w=60, \"things.me\";q=2;w=60")
        );
    }
    let request = by("alice", get("/me")).body(Body::empty()).expect("a request");
    let elsewhere = Answer::read(bench.edge.handle(request, &peer([192, 0, 2, 8])).await).await;
    assert_eq!(elsewhere.status, 429);
    assert_eq!(bench.send(by("admin", get("/me"))).await.status, 200);
}

#[tokio::test]
async fn guesses_at_a_credential_are_counted_by_address() {
    let bench = bench_with(EdgeOptions { limit_quota: 2, ..options() });
    for status in [401, 401, 429] {
        let answer = bench.send(by("nobody", get("/me"))).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(bench.quotas.charged("default"), 2);
    assert_eq!(bench.quotas.charged("things.me"), 0);
}
