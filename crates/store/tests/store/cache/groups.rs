//! Redis as a cluster, and with a replica that takes over.

use std::sync::atomic::{AtomicU32, Ordering};

use mainstay_store::{CacheSpec, Scope, StoreError, Tag};
use mainstay_test_databases::{PrivateCluster, PrivateSentinel};

use super::support::{Process, until};

fn tagged() -> CacheSpec<u64> {
    CacheSpec { tags: |value| vec![Tag::new("owner", value % 2)], ..CacheSpec::new("numbers") }
}

#[tokio::test]
async fn a_cluster_is_heard_of_each_of_its_nodes() {
    let cluster = PrivateCluster::start(3).expect("starts");
    let one = Process::start(&cluster.url(), tagged).await;
    let two = Process::start(&cluster.url(), tagged).await;
    let keys: Vec<_> = (0..30).map(|key| key.to_string()).collect();
    for key in &keys {
        one.fill(key, 1).await;
        // A busy machine may not have the proof in time, and then nothing is kept.
        until(async || {
            two.private.get_or_load(key, || async { Ok(Some(1)) }).await.expect("is loaded");
            two.serves(key, 1).await == [true; 2]
        })
        .await;
    }
    for key in &keys[..10] {
        one.write(&[key]).await.expect("nobody refuses");
        until(async || two.serves(key, 1).await == [false; 2]).await;
    }
    assert_eq!(two.serves(&keys[10], 1).await, [true; 2]);
    // One of them forgets everything, and perhaps what the others hold is meant.
    cluster.nodes()[1].ask(&["FLUSHALL"]);
    until(async || !two.serves(&keys[11], 1).await[1]).await;
    let tag = Scope::tag(&Tag::new("owner", 1));
    let attempts = AtomicU32::new(100);
    let last = || attempts.load(Ordering::Relaxed).to_string();
    until(async || {
        attempts.fetch_add(1, Ordering::Relaxed);
        one.fill(&last(), 3).await;
        two.serves(&last(), 3).await[0]
    })
    .await;
    one.caches.write(tag, async { Ok::<_, StoreError>(()) }).await.expect("nobody refuses");
    until(async || two.serves(&last(), 3).await == [false; 2]).await;
}

#[tokio::test]
async fn a_replica_that_takes_over_serves_nothing_that_it_was_told() {
    let group = PrivateSentinel::start().expect("starts");
    let process = Process::start(&group.url(), tagged).await;
    process.fill("key", 1).await;
    let state = ["EXISTS", "mainstay:cache:s:k:numbers:{key}"];
    until(async || group.replica().ask(&state) == "1").await;
    group.primary().crash().expect("ends");
    process.is_trusted(false).await;
    process.is_trusted(true).await;
    assert_eq!(group.replica().ask(&state), "1", "it is there");
    assert_eq!(process.serves("key", 1).await, [false; 2]);
    process.write(&["key"]).await.expect("nobody refuses");
    let attempts = AtomicU32::new(0);
    until(async || {
        let key = attempts.fetch_add(1, Ordering::Relaxed).to_string();
        process.fill(&key, 2).await;
        process.serves(&key, 2).await == [true; 2]
    })
    .await;
}
