//! A Redis that goes away in every way, and who notices it.

use std::time::Instant;

use mainstay_test_databases::{FaultProxy, Memory, PrivateCluster, PrivateRedis, PrivateSentinel};
use redis::Script;

use super::*;
use crate::redis::{RedisOptions, RedisUrl};

/// Redis is found again within this, as is promised.
const FOUND_AGAIN: Duration = Duration::from_secs(3);

fn redis(url: &str) -> Redis {
    let url: RedisUrl = url.parse().expect("an address");
    Redis::new(url, RedisOptions::default())
}

async fn link_to(url: &str) -> Link {
    let link = redis(url).link(Purpose::Limits);
    assert!(link.ready(Duration::from_secs(10)).await, "it answers");
    link
}

async fn increment(link: &Link) -> Result<i64, RedisFailure> {
    link.query(redis::cmd("INCR").arg("key")).await
}

fn server() -> PrivateRedis {
    PrivateRedis::start(Memory::Kept).expect("starts")
}

async fn found_again(link: &Link) {
    let begun = Instant::now();
    while increment(link).await.is_err() {
        assert!(begun.elapsed() < FOUND_AGAIN, "found again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everybody is told at once, for as long as it takes.
async fn nobody_waits(link: &Link) {
    for _ in 0..1000 {
        let failure = increment(link).await.expect_err("nobody is there");
        assert!(matches!(failure, RedisFailure::Down), "{failure}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_server_that_ends_is_missed_at_once_and_found_again() {
    let server = server();
    let link = link_to(&server.url()).await;
    assert_eq!(increment(&link).await.expect("is answered"), 1);
    for _ in 0..3 {
        server.crash().expect("ends");
        increment(&link).await.expect_err("nobody is there");
        nobody_waits(&link).await;
        server.start_again().expect("starts");
        found_again(&link).await;
    }
}

#[tokio::test]
async fn a_server_that_stalls_costs_one_wait_and_is_found_again() {
    let server = server();
    let link = link_to(&server.url()).await;
    server.pause().expect("stops");
    // Those who ask before it is known wait together.
    let begun = Instant::now();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { increment(&link).await.is_err() })
        })
        .collect();
    for failed in asking {
        assert!(failed.await.expect("no panic"));
    }
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    nobody_waits(&link).await;
    server.resume().expect("goes on");
    found_again(&link).await;
}

#[tokio::test]
async fn a_connection_that_was_only_late_is_kept() {
    let server = server();
    let proxy = FaultProxy::in_front_of(&server.url());
    let link = link_to(&proxy.url()).await;
    let connections = || -> u32 {
        let info = server.ask(&["INFO", "stats"]);
        let count = |line: &str| line.strip_prefix("total_connections_received:")?.parse().ok();
        info.lines().find_map(count).expect("is told")
    };
    // A machine that is busy may be late itself, for too long: then there is a new one.
    for _ in 0..10 {
        // Each question asked here is a connection, too.
        let before = connections();
        proxy.delay(Duration::from_millis(60));
        let late = increment(&link).await;
        assert!(matches!(late, Err(RedisFailure::TimedOut)), "{late:?}");
        proxy.delay(Duration::ZERO);
        let begun = Instant::now();
        found_again(&link).await;
        if connections() == before + 1 {
            return;
        }
        let limit = RedisOptions::default().command_timeout;
        assert!(begun.elapsed() >= limit, "it had no time to answer");
    }
    panic!("a new connection each time");
}

#[tokio::test]
async fn a_refusal_takes_nothing_away() {
    let server = PrivateRedis::start_with(Memory::Lost, &["--maxmemory", "1"]).expect("starts");
    let link = link_to(&server.url()).await;
    let failure = increment(&link).await.expect_err("it is full");
    assert!(matches!(failure, RedisFailure::Refused(_)), "{failure}");
    let answer: String = link.query(&redis::cmd("PING")).await.expect("it is there");
    assert_eq!((answer.as_str(), link.is_up()), ("PONG", true));
}

#[tokio::test]
async fn a_script_that_the_server_has_lost_is_loaded_again() {
    let server = server();
    let link = link_to(&server.url()).await;
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for sum in [7, 14] {
        let answer: i64 = link.script(script.key("key").arg(7)).await.expect("is run");
        assert_eq!(answer, sum);
        server.ask(&["SCRIPT", "FLUSH"]);
    }
}

#[tokio::test]
async fn the_sentinels_are_asked_who_is_the_primary_now() {
    let group = PrivateSentinel::start().expect("starts");
    let link = link_to(&group.url()).await;
    increment(&link).await.expect("is answered");
    group.primary().pause().expect("stops");
    let begun = Instant::now();
    while increment(&link).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the replica is promoted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_ne!(group.replica().ask(&["GET", "key"]), "", "it is asked");
}

#[tokio::test]
async fn keys_of_a_cluster_are_found_wherever_they_are() {
    let cluster = PrivateCluster::start(3).expect("starts");
    let link = link_to(&cluster.url()).await;
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for key in 0..50 {
        let answer: i64 = link.script(script.key(key).arg(7)).await.expect("is run");
        assert_eq!(answer, 7);
    }
    for node in cluster.nodes() {
        assert_ne!(node.ask(&["DBSIZE"]), "0");
    }
    let primaries = redis(&cluster.url()).primaries().await.expect("are known");
    assert_eq!(primaries.len(), 3);
    for primary in primaries {
        let ignore = Arc::new(|_| {});
        let limit = Duration::from_secs(1);
        let mut connection = primary.connect_alone(limit, ignore).await.expect("connects");
        let size: i64 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("answers");
        assert!(size > 0);
    }
}
