//! A Redis that is away, late, full, empty or old.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use mainstay_store::{CacheSpec, CachesOptions, StoreError};
use mainstay_test_databases::{FaultProxy, Memory, PrivateRedis};

use super::support::{Gate, Process, STALENESS, get, until};

fn spec() -> CacheSpec<u64> {
    CacheSpec::new("numbers")
}

fn server(memory: Memory) -> PrivateRedis {
    PrivateRedis::start(memory).expect("starts")
}

/// Returns when what is read is kept, under a name that nobody has used before.
async fn is_used_again(process: &Process) {
    let attempts = AtomicU32::new(0);
    until(async || {
        let key = attempts.fetch_add(1, Ordering::Relaxed).to_string();
        process.fill(&key, 2).await;
        process.serves(&key, 2).await == [true; 2]
    })
    .await;
}

#[tokio::test]
async fn without_redis_reads_are_loaded_and_writes_are_done() {
    let server = server(Memory::Lost);
    let process = Process::start(&server.url(), spec).await;
    process.fill("key", 1).await;
    server.crash().expect("ends");
    process.is_trusted(false).await;
    assert_eq!(process.serves("key", 1).await, [false; 2]);
    let begun = Instant::now();
    process.write(&["key"]).await.expect("it goes on");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    // Nobody can have a proof any more, and nobody waits for that.
    until(async || {
        let begun = Instant::now();
        process.write(&["key"]).await.expect("it goes on");
        begun.elapsed() < waited.min(Duration::from_millis(100))
    })
    .await;
    assert!(process.caches.state().debts > 0);
    server.start_again().expect("starts");
    until(async || process.caches.state().debts == 0).await;
    process.is_trusted(true).await;
    is_used_again(&process).await;
}

#[tokio::test]
async fn a_write_that_must_be_told_is_refused_before_it_is_done() {
    let server = server(Memory::Lost);
    let process = Process::start(&server.url(), spec).await;
    server.crash().expect("ends");
    process.is_trusted(false).await;
    let is_done = AtomicBool::new(false);
    let commit = async {
        is_done.store(true, Ordering::Relaxed);
        Ok(())
    };
    let scope = process.cache.scope(["key"]).or_refuse();
    let refused = process.caches.write(scope, commit).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(!is_done.load(Ordering::Relaxed));
}

#[tokio::test]
async fn many_callers_without_redis_make_few_loads() {
    let server = server(Memory::Lost);
    let process = Process::start(&server.url(), spec).await;
    server.crash().expect("ends");
    process.is_trusted(false).await;
    let gate = Gate::default();
    let reads: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, gate) = (process.cache.clone(), gate.clone());
            tokio::spawn(async move { cache.get_or_load("key", || gate.load()).await })
        })
        .collect();
    until(async || process.cache.stats().waits == 999).await;
    gate.answer(Some(1));
    for read in reads {
        read.await.expect("no panic").expect("is loaded");
    }
    assert_eq!(gate.begun(), 1);
}

#[tokio::test]
async fn without_a_proof_a_value_is_served_for_the_bound_and_not_after_a_write() {
    let server = server(Memory::Lost);
    let process = Process::start(&server.url(), spec).await;
    server.crash().expect("ends");
    process.is_trusted(false).await;
    is_used_again(&process).await;
    assert!(!process.caches.state().is_trusted);
    process.fill("written", 1).await;
    process.write(&["written"]).await.expect("it goes on");
    assert_eq!(process.serves("written", 1).await, [false; 2]);
    let began = Instant::now();
    process.fill("kept", 1).await;
    until(async || {
        let asked = began.elapsed();
        let found = process.serves("kept", 1).await;
        assert!(asked < STALENESS || found == [false; 2], "after {asked:?}");
        found == [false; 2]
    })
    .await;
}

#[tokio::test]
async fn what_was_written_while_redis_was_stopped_is_served_by_nobody_after_it() {
    let server = server(Memory::Lost);
    let one = Process::usual(&server.url(), spec).await;
    let two = Process::usual(&server.url(), spec).await;
    until(async || {
        one.fill("key", 1).await;
        two.serves("key", 1).await[0]
    })
    .await;
    server.pause().expect("stops");
    one.write(&["key"]).await.expect("it goes on");
    for process in [&one, &two] {
        assert_eq!(process.serves("key", 1).await, [false; 2], "the bound is over");
    }
    server.resume().expect("goes on");
    for process in [&one, &two] {
        until(async || {
            assert_eq!(process.serves("key", 1).await, [false; 2]);
            process.caches.state().is_trusted
        })
        .await;
        assert_eq!(process.serves("key", 1).await, [false; 2]);
    }
}

#[tokio::test]
async fn a_server_with_an_old_memory_serves_nothing_of_it() {
    let server = server(Memory::Kept);
    let process = Process::start(&server.url(), spec).await;
    process.fill("key", 1).await;
    server.crash().expect("ends");
    process.is_trusted(false).await;
    server.start_again().expect("starts");
    assert_eq!(server.ask(&["EXISTS", "mainstay:cache:s:k:numbers:{key}"]), "1", "it is there");
    process.is_trusted(true).await;
    until(async || process.serves("key", 1).await == [false; 2]).await;
    assert_eq!(process.cache.stats().shared_hits, 0);
}

#[tokio::test]
async fn what_is_not_heard_is_not_trusted() {
    let server = server(Memory::Lost);
    let proxy = FaultProxy::in_front_of(&server.url());
    let deaf = Process::usual(&proxy.url(), spec).await;
    let writer = Process::start(&server.url(), spec).await;
    until(async || {
        deaf.fill("key", 1).await;
        deaf.serves("key", 1).await == [true; 2]
    })
    .await;
    proxy.black_hole_answers();
    writer.write(&["key"]).await.expect("is told");
    let acknowledged = Instant::now();
    let bound = CachesOptions::default().staleness;
    loop {
        let asked = Instant::now();
        if deaf.caches.state().is_trusted && deaf.serves("key", 1).await == [true; 2] {
            assert!(asked < acknowledged + bound, "it serves for longer than the bound");
        } else if asked > acknowledged + bound {
            break;
        }
    }
    proxy.pass();
    deaf.is_trusted(true).await;
    assert_eq!(deaf.serves("key", 1).await, [false; 2]);
}

#[tokio::test]
async fn everything_is_forgotten_with_the_memory_of_redis() {
    let server = server(Memory::Lost);
    let process = Process::start(&server.url(), spec).await;
    process.fill("key", 1).await;
    server.ask(&["FLUSHALL"]);
    until(async || process.serves("key", 1).await == [false; 2]).await;
    // Without anybody's help.
    is_used_again(&process).await;
}

#[tokio::test]
async fn a_full_redis_keeps_nothing_new_and_hears_every_write() {
    let server = server(Memory::Lost);
    let one = Process::start(&server.url(), spec).await;
    let two = Process::start(&server.url(), spec).await;
    one.fill("key", 1).await;
    assert_eq!(two.serves("key", 1).await, [true, false]);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(get(&one.cache, "new", Some(1)).await, Some(1), "is loaded");
    let scope = one.cache.scope(["key"]).or_refuse();
    let written = one.caches.write(scope, async { Ok::<_, StoreError>(()) }).await;
    written.expect("a full Redis is no outage");
    until(async || get(&two.cache, "key", Some(2)).await == Some(2)).await;
    assert_eq!(get(&one.cache, "key", Some(3)).await, Some(3), "nobody may keep it");
}

#[tokio::test]
async fn a_long_debt_is_paid_name_by_name() {
    let server = server(Memory::Lost);
    let proxy = FaultProxy::in_front_of(&server.url());
    let cut_off = Process::start(&proxy.url(), spec).await;
    let other = Process::start(&server.url(), spec).await;
    other.fill("7", 1).await;
    other.fill("else", 1).await;
    proxy.refuse();
    cut_off.is_trusted(false).await;
    let keys: Vec<_> = (0..2000).map(|number| number.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for _ in 0..3 {
        cut_off.write(&keys).await.expect("it goes on");
        assert_eq!(cut_off.caches.state().debts, 4000, "each is owed once");
    }
    proxy.pass();
    until(async || cut_off.caches.state().debts == 0).await;
    until(async || other.serves("7", 1).await == [false; 2]).await;
    // In the memory of a process one of so many names may take it along.
    let [shared, _] = other.serves("else", 1).await;
    assert!(shared, "nobody has written it");
}

#[tokio::test]
async fn more_debts_than_are_counted_end_everything() {
    let server = server(Memory::Lost);
    let proxy = FaultProxy::in_front_of(&server.url());
    let cut_off = Process::start(&proxy.url(), spec).await;
    let other = Process::start(&server.url(), spec).await;
    other.fill("key", 1).await;
    proxy.refuse();
    cut_off.is_trusted(false).await;
    let keys: Vec<_> = (0..6000).map(|number| number.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    cut_off.write(&keys).await.expect("it goes on");
    assert_eq!(other.serves("key", 1).await, [true; 2], "nobody has told it");
    proxy.pass();
    until(async || cut_off.caches.state().debts == 0).await;
    until(async || other.serves("key", 1).await == [false; 2]).await;
}
