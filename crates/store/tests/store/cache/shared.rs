//! Processes that share a Redis which answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mainstay_core::SystemClock;
use mainstay_store::{
    Cache, CacheSpec, Caches, CachesOptions, Redis, RedisOptions, Scope, StoreError, Tag,
};
use mainstay_test_databases::{FaultProxy, Memory, PrivateRedis};

use super::support::{Gate, Process, failure, get, until};

fn spec() -> CacheSpec<u64> {
    CacheSpec::new("numbers")
}

/// Waits for others for as long as a busy machine may take.
fn patient() -> CacheSpec<u64> {
    CacheSpec { wait_max: Duration::from_mins(1), ..spec() }
}

fn server() -> PrivateRedis {
    PrivateRedis::start(Memory::Lost).expect("starts")
}

async fn two(server: &PrivateRedis, spec: fn() -> CacheSpec<u64>) -> [Process; 2] {
    [Process::start(&server.url(), spec).await, Process::start(&server.url(), spec).await]
}

#[tokio::test]
async fn one_process_loads_for_all_and_some_values_stay_at_home() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    one.fill("key", 1).await;
    assert_eq!(two.serves("key", 1).await, [true, false]);
    assert_eq!(get(&one.cache, "none", None).await, None);
    assert_eq!(get(&two.cache, "none", Some(7)).await, None, "that is known as well");
    let stats = two.cache.stats();
    assert_eq!((stats.shared_hits, stats.negative_hits, stats.loads), (2, 1, 0));
    // Of the other cache Redis holds nothing at all.
    assert!(!server.ask(&["KEYS", "*"]).contains("private"));
}

#[tokio::test]
async fn three_processes_with_a_thousand_callers_each_make_one_load() {
    let server = server();
    let gate = Gate::default();
    let mut processes = Vec::new();
    let mut reads = Vec::new();
    for _ in 0..3 {
        let process = Process::start(&server.url(), patient).await;
        for _ in 0..1000 {
            let (cache, gate) = (process.cache.clone(), gate.clone());
            let read = async move { cache.get_or_load("key", || gate.load()).await };
            reads.push(tokio::spawn(read));
        }
        processes.push(process);
    }
    gate.has_begun(1).await;
    // All of them wait: those of one process for each other, the processes for the one that loads.
    let waits = || processes.iter().map(|process| process.cache.stats().waits).sum::<u64>();
    until(async || waits() == 2997 + 2).await;
    gate.answer(Some(7));
    for read in reads {
        let found = read.await.expect("no panic").expect("is loaded");
        assert_eq!(found.as_deref(), Some(&7));
    }
    assert_eq!(gate.begun(), 1);
}

#[tokio::test]
async fn a_right_to_load_that_is_not_used_goes_to_another_process_at_once() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    let gate = Gate::default();
    for dropped in [true, false] {
        let (cache, load) = (one.cache.clone(), gate.clone());
        let leader = tokio::spawn(async move { cache.get_or_load("key", || load.load()).await });
        gate.has_begun(if dropped { 1 } else { 2 }).await;
        let waiting = get(&two.cache, "key", Some(2));
        if dropped {
            leader.abort();
        } else {
            gate.fail();
            leader.await.expect("no panic").expect_err("the load failed");
        }
        assert_eq!(waiting.await, Some(2));
        assert_eq!(two.cache.stats().waits_in_vain, 0);
        two.write(&["key"]).await.expect("nobody refuses");
        if dropped {
            gate.answer(None);
        }
    }
}

#[tokio::test]
async fn a_write_is_heard_everywhere() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    for process in [&one, &two] {
        process.fill("key", 1).await;
        process.fill("other", 1).await;
    }
    one.write(&["key"]).await.expect("nobody refuses");
    assert_eq!(one.serves("key", 1).await, [false; 2], "at once where it was made");
    // `serves` has put other values there.
    one.write(&["key"]).await.expect("nobody refuses");
    until(async || two.serves("key", 1).await == [false; 2]).await;
    assert_eq!(two.serves("other", 1).await, [true; 2]);
}

#[tokio::test]
async fn nobody_keeps_what_is_being_written() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    let (sender, begun) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let scope = one.cache.scope(["key"]).and(one.private.scope(["key"]));
    let caches = one.caches.clone();
    let write = tokio::spawn(async move {
        let commit = async {
            sender.send(()).expect("somebody waits");
            ended.await.map_err(|_| failure("the connection was lost"))
        };
        caches.write(scope, commit).await
    });
    begun.await.expect("it begins");
    for process in [&one, &two] {
        process.fill("key", 1).await;
        assert_eq!(process.serves("key", 1).await, [false; 2]);
    }
    end.send(()).expect("it waits");
    write.await.expect("no panic").expect("nobody refuses");
    for process in [&one, &two] {
        let private = &process.private;
        let loads = AtomicU64::new(2);
        let read = async || get(private, "key", Some(loads.fetch_add(1, Ordering::Relaxed))).await;
        // The other process may hear of the write a moment later, and forget what it has just read.
        until(async || {
            let first = read().await;
            assert!(first > Some(1), "it has been written");
            read().await == first
        })
        .await;
    }
}

#[tokio::test]
async fn a_load_that_another_process_overtakes_is_kept_nowhere() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    let gate = Gate::default();
    let (cache, load) = (one.cache.clone(), gate.clone());
    let old = tokio::spawn(async move { cache.get_or_load("key", || load.load()).await });
    gate.has_begun(1).await;
    two.write(&["key"]).await.expect("nobody refuses");
    gate.answer(Some(1));
    old.await.expect("no panic").expect("is loaded");
    assert_eq!(get(&two.cache, "key", Some(2)).await, Some(2), "it is not in Redis");
    until(async || get(&one.cache, "key", Some(3)).await == Some(2)).await;
}

#[tokio::test]
async fn a_tag_is_heard_everywhere_and_ends_what_is_shared() {
    fn tagged() -> CacheSpec<u64> {
        CacheSpec { tags: |value| vec![Tag::new("owner", value % 2)], ..spec() }
    }
    let server = server();
    let [one, two] = two(&server, tagged).await;
    for (key, value) in [("odd", 1), ("even", 2)] {
        one.fill(key, value).await;
        two.private.get_or_load(key, move || async move { Ok(Some(value)) }).await.expect("is");
        assert_eq!(two.serves(key, value).await, [true; 2]);
    }
    let third = Process::start(&server.url(), tagged).await;
    let scope = Scope::tag(&Tag::new("owner", 1));
    one.caches.write(scope, async { Ok::<_, StoreError>(()) }).await.expect("nobody refuses");
    // It has never seen the value, which is still in Redis, and of no use.
    assert_eq!(get(&third.cache, "odd", Some(3)).await, Some(3));
    until(async || two.serves("odd", 1).await == [false; 2]).await;
    for process in [&one, &two] {
        assert_eq!(process.serves("even", 2).await, [true; 2]);
    }
}

#[tokio::test]
async fn a_tag_that_is_written_during_a_load_keeps_its_value_out() {
    fn tagged() -> CacheSpec<u64> {
        CacheSpec { tags: |_| vec![Tag::new("owner", 1)], ..spec() }
    }
    let server = server();
    let [one, two] = two(&server, tagged).await;
    let gate = Gate::default();
    for (round, cache) in [&one.cache, &one.private].into_iter().enumerate() {
        let (cache, load) = (cache.clone(), gate.clone());
        let old = tokio::spawn(async move { cache.get_or_load("key", || load.load()).await });
        gate.has_begun(round + 1).await;
        let scope = Scope::tag(&Tag::new("owner", 1));
        two.caches.write(scope, async { Ok::<_, StoreError>(()) }).await.expect("nobody refuses");
        gate.answer(Some(1));
        old.await.expect("no panic").expect("is loaded");
    }
    assert_eq!(one.serves("key", 1).await, [false; 2]);
    assert_eq!(two.serves("key", 1).await, [false; 2]);
}

#[tokio::test]
async fn a_tag_that_is_written_while_it_is_asked_for_keeps_the_value_out() {
    fn tagged() -> CacheSpec<u64> {
        CacheSpec { tags: |_| vec![Tag::new("owner", 1)], ..spec() }
    }
    let server = server();
    let proxy = FaultProxy::in_front_of(&server.url());
    let far = Process::start(&proxy.url(), tagged).await;
    let near = Process::start(&server.url(), tagged).await;
    proxy.delay(Duration::from_millis(100));
    let gate = Gate::default();
    let (cache, load) = (far.cache.clone(), gate.clone());
    let old = tokio::spawn(async move { cache.get_or_load("key", || load.load()).await });
    gate.has_begun(1).await;
    gate.answer(Some(1));
    // The load has ended, and its question about the tag is on its way.
    tokio::task::yield_now().await;
    let scope = Scope::tag(&Tag::new("owner", 1));
    near.caches.write(scope, async { Ok::<_, StoreError>(()) }).await.expect("nobody refuses");
    old.await.expect("no panic").expect("is loaded");
    assert_eq!(get(&near.cache, "key", Some(2)).await, Some(2));
}

#[tokio::test]
async fn a_release_with_another_form_of_the_value_shares_nothing_and_hears_every_write() {
    fn next() -> CacheSpec<u64> {
        CacheSpec { version: 2, ..spec() }
    }
    let server = server();
    let one = Process::start(&server.url(), spec).await;
    let two = Process::start(&server.url(), next).await;
    one.fill("key", 1).await;
    assert_eq!(get(&two.cache, "key", Some(2)).await, Some(2));
    two.write(&["key"]).await.expect("nobody refuses");
    until(async || one.serves("key", 1).await == [false; 2]).await;
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_replaced() {
    let server = server();
    let [one, two] = two(&server, spec).await;
    one.fill("key", 1).await;
    let state = server.ask(&["KEYS", "mainstay:cache:s:k:numbers:*"]);
    server.ask(&["HSET", &state, "value", "[\"seven\"]"]);
    assert_eq!(get(&two.cache, "key", Some(2)).await, Some(2));
    let third = Process::start(&server.url(), spec).await;
    assert_eq!(third.serves("key", 2).await, [true, false]);
}

#[tokio::test]
async fn a_value_that_is_too_large_stays_in_the_process() {
    let server = server();
    let redis = Redis::new(server.url().parse().expect("one"), RedisOptions::default());
    let settle = Some(Duration::from_millis(50));
    let options = CachesOptions { settle, ..CachesOptions::default() };
    let caches = Caches::shared(&redis, Arc::new(SystemClock::new()), options);
    until(async || caches.state().is_trusted).await;
    let spec = CacheSpec { shared_max: 100, ..CacheSpec::new("texts") };
    let cache: Cache<String> = caches.two_tier(spec);
    for length in [10, 1000] {
        let key = length.to_string();
        let text = "x".repeat(length);
        cache.get_or_load(&key, || async { Ok(Some(text)) }).await.expect("is loaded");
        let found = cache.get_or_load(&key, || async { Ok(None) }).await.expect("is there");
        assert_eq!(found.map(|text| text.len()), Some(length));
        let state = format!("mainstay:cache:s:k:texts:{{{key}}}");
        assert_eq!(server.ask(&["HEXISTS", &state, "value"]) == "1", length == 10);
    }
}

#[tokio::test]
async fn everything_in_redis_ends_by_itself() {
    let server = server();
    let [one, _two] =
        two(&server, || CacheSpec { tags: |_| vec![Tag::new("owner", 1)], ..spec() }).await;
    one.fill("key", 1).await;
    one.write(&["key", "other"]).await.expect("nobody refuses");
    let keys = server.ask(&["KEYS", "*"]);
    assert!(keys.lines().count() >= 5, "{keys}");
    for key in keys.lines().filter(|key| !key.ends_with(":epoch")) {
        let left: i64 = server.ask(&["PTTL", key]).parse().expect("a number");
        assert!((1..=120_000).contains(&left), "{key}: {left}");
    }
}
