//! A process on its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use mainstay_core::Work;
use mainstay_store::{CacheSpec, Scope, StoreError, Tag};

use super::support::{Alone, Gate, failure, get};

const SECOND: Duration = Duration::from_secs(1);

fn spec() -> CacheSpec<u64> {
    CacheSpec::new("numbers")
}

/// Takes a step of whatever else is ready.
async fn others() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

impl Alone {
    /// Starts a read that loads by the gate.
    fn start(&self, gate: &Gate) -> tokio::task::JoinHandle<Result<Option<u64>, StoreError>> {
        let (cache, gate) = (self.cache.clone(), gate.clone());
        tokio::spawn(async move {
            let found = cache.get_or_load("key", || gate.load()).await?;
            Ok(found.as_deref().copied())
        })
    }

    async fn write(&self, keys: &[&str]) {
        let scope = self.cache.scope(keys);
        let written = self.caches.write(scope, async { Ok::<_, StoreError>(()) }).await;
        written.expect("nobody refuses");
    }
}

#[tokio::test]
async fn a_value_is_loaded_once_and_served_until_its_time_is_over() {
    let alone = Alone::new(spec());
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
    // A process that is told of nothing keeps it for a second. A tenth less may be over for any.
    alone.clock.advance(SECOND * 8 / 10);
    assert_eq!(alone.get("key", Some(2)).await, Some(1));
    alone.clock.advance(SECOND * 2 / 10);
    assert_eq!(alone.get("key", Some(2)).await, Some(2));
    let stats = alone.cache.stats();
    assert_eq!((stats.loads, stats.hits), (2, 1));
}

#[tokio::test]
async fn that_there_is_none_is_kept_for_a_shorter_time() {
    let alone = Alone::new(spec());
    assert_eq!(alone.get("key", None).await, None);
    assert_eq!(alone.get("key", Some(1)).await, None);
    alone.clock.advance(SECOND * 5);
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
    assert_eq!(alone.cache.stats().negative_hits, 1);
}

#[tokio::test]
async fn a_thousand_callers_make_one_load() {
    let alone = Alone::new(spec());
    let gate = Gate::default();
    let reads: Vec<_> = (0..1000).map(|_| alone.start(&gate)).collect();
    gate.has_begun(1).await;
    others().await;
    gate.answer(Some(7));
    for read in reads {
        assert_eq!(read.await.expect("no panic").expect("is loaded"), Some(7));
    }
    assert_eq!((gate.begun(), alone.cache.stats().waits), (1, 999));
}

#[tokio::test]
async fn who_waits_for_a_load_that_fails_gets_its_error_and_nobody_keeps_it() {
    let alone = Alone::new(spec());
    let gate = Gate::default();
    let reads: Vec<_> = (0..100).map(|_| alone.start(&gate)).collect();
    gate.has_begun(1).await;
    others().await;
    gate.fail();
    for read in reads {
        read.await.expect("no panic").expect_err("the load failed");
    }
    assert_eq!(gate.begun(), 1);
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
}

#[tokio::test]
async fn a_leader_that_goes_away_is_followed_by_one_of_those_who_wait() {
    let alone = Alone::new(spec());
    let gate = Gate::default();
    let leader = alone.start(&gate);
    gate.has_begun(1).await;
    let reads: Vec<_> = (0..100).map(|_| alone.start(&gate)).collect();
    others().await;
    leader.abort();
    gate.has_begun(2).await;
    others().await;
    gate.answer(None);
    gate.answer(Some(2));
    for read in reads {
        assert_eq!(read.await.expect("no panic").expect("is loaded"), Some(2));
    }
    assert_eq!(gate.begun(), 2);
}

#[tokio::test]
async fn the_error_of_a_leader_that_has_run_out_of_time_is_its_own() {
    let alone = Alone::new(spec());
    let gate = Gate::default();
    let (cache, load) = (alone.cache.clone(), gate.clone());
    let late = Work::new(Instant::now(), "GET /late".into());
    let leader = tokio::spawn(async move {
        let read = cache.get_or_load("key", || load.load());
        late.scope(read).await.map(drop)
    });
    gate.has_begun(1).await;
    let read = alone.start(&gate);
    others().await;
    gate.fail();
    leader.await.expect("no panic").expect_err("its load failed");
    gate.has_begun(2).await;
    gate.answer(Some(2));
    assert_eq!(read.await.expect("no panic").expect("it leads now"), Some(2));
}

#[tokio::test]
async fn nobody_waits_longer_than_the_cache_says_or_half_of_the_time_left() {
    let limits = [(Duration::from_millis(30), SECOND * 60), (SECOND * 60, SECOND / 15)];
    for (wait_max, left) in limits {
        let alone = Alone::new(CacheSpec { wait_max, ..spec() });
        let gate = Gate::default();
        let leader = alone.start(&gate);
        gate.has_begun(1).await;
        let work = Work::new(Instant::now() + left, "GET /numbers".into());
        assert_eq!(work.scope(alone.get("key", Some(2))).await, Some(2));
        assert_eq!(alone.cache.stats().waits_in_vain, 1);
        gate.answer(Some(1));
        assert_eq!(leader.await.expect("no panic").expect("is loaded"), Some(1));
    }
}

#[tokio::test]
async fn what_was_written_is_read_anew_and_nothing_else() {
    let alone = Alone::new(spec());
    for key in ["one", "two"] {
        assert_eq!(alone.get(key, Some(1)).await, Some(1));
    }
    alone.write(&["one"]).await;
    assert_eq!(alone.get("one", Some(2)).await, Some(2));
    assert_eq!(alone.get("two", Some(2)).await, Some(1));
}

#[tokio::test]
async fn a_load_that_a_write_overtakes_is_neither_kept_nor_joined() {
    let alone = Alone::new(spec());
    let gate = Gate::default();
    let old = alone.start(&gate);
    gate.has_begun(1).await;
    alone.write(&["key"]).await;
    let new = alone.start(&gate);
    gate.has_begun(2).await;
    gate.answer(Some(1));
    assert_eq!(old.await.expect("no panic").expect("is loaded"), Some(1), "it asked before");
    gate.answer(Some(2));
    assert_eq!(new.await.expect("no panic").expect("is loaded"), Some(2));
    assert_eq!(alone.get("key", Some(3)).await, Some(2), "the new one is kept");
}

#[tokio::test]
async fn a_tag_invalidates_all_who_carry_it_in_every_cache_and_loads_under_way() {
    let tags = |value: &u64| vec![Tag::new("owner", value % 2)];
    let alone = Alone::new(CacheSpec { tags, ..spec() });
    let other = alone.caches.in_process(CacheSpec { tags, ..CacheSpec::new("others") });
    let owner = Tag::new("owner", 1);
    for (key, value) in [("one", 1), ("two", 2), ("three", 3)] {
        assert_eq!(alone.get(key, Some(value)).await, Some(value));
        assert_eq!(get(&other, key, Some(value)).await, Some(value));
    }
    let gate = Gate::default();
    let read = alone.start(&gate);
    gate.has_begun(1).await;
    let scope = Scope::tag(&owner).and(alone.cache.scope(["none"]));
    alone.caches.write(scope, async { Ok::<_, StoreError>(()) }).await.expect("nobody refuses");
    for (key, found) in [("one", 5), ("two", 2), ("three", 5)] {
        assert_eq!(alone.get(key, Some(5)).await, Some(found));
        assert_eq!(get(&other, key, Some(5)).await, Some(found));
    }
    // A flight that carries the tag as well, which nobody can know before it lands.
    let waiting = alone.start(&gate);
    others().await;
    gate.answer(Some(7));
    assert_eq!(read.await.expect("no panic").expect("is loaded"), Some(7), "it asked before");
    gate.has_begun(2).await;
    gate.answer(Some(9));
    assert_eq!(waiting.await.expect("no panic").expect("is loaded"), Some(9));
}

#[tokio::test]
async fn a_value_with_too_many_tags_is_served_and_not_kept() {
    let tags = |count: &u64| (0..*count).map(|number| Tag::new("tag", number)).collect();
    let alone = Alone::new(CacheSpec { tags, ..spec() });
    assert_eq!(alone.get("seven", Some(7)).await, Some(7));
    assert_eq!(alone.get("seven", Some(1)).await, Some(7));
    assert_eq!(alone.get("eight", Some(8)).await, Some(8));
    assert_eq!(alone.get("eight", Some(1)).await, Some(1));
}

#[tokio::test]
async fn a_write_whose_end_is_not_known_leaves_its_keys_unused() {
    let alone = Alone::new(spec());
    assert_eq!(alone.get("failed", Some(1)).await, Some(1));
    assert_eq!(alone.get("dropped", Some(1)).await, Some(1));
    let failing = async { Err::<(), _>(failure("the connection was lost")) };
    let failed = alone.caches.write(alone.cache.scope(["failed"]), failing).await;
    failed.expect_err("it failed");
    let pending = std::future::pending::<Result<(), StoreError>>();
    let write = alone.caches.write(alone.cache.scope(["dropped"]), pending);
    tokio::time::timeout(Duration::from_millis(10), write).await.expect_err("it never ends");
    for key in ["failed", "dropped"] {
        for value in [2, 3] {
            assert_eq!(alone.get(key, Some(value)).await, Some(value));
        }
    }
}

#[tokio::test]
async fn a_stale_value_is_served_while_one_caller_renews_it() {
    let alone = Alone::new(CacheSpec { stale_while_revalidate: SECOND * 30, ..spec() });
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
    alone.clock.advance(SECOND * 2);
    let gate = Gate::default();
    for _ in 0..100 {
        let load = gate.clone();
        let read = alone.cache.get_or_load("key", || load.load()).await;
        assert_eq!(read.expect("is there").as_deref(), Some(&1));
    }
    gate.has_begun(1).await;
    gate.answer(Some(2));
    others().await;
    assert_eq!((alone.get("key", Some(3)).await, gate.begun()), (Some(2), 1));
    assert_eq!(alone.cache.stats().stale, 100);
    alone.clock.advance(SECOND * 91);
    assert_eq!(alone.get("key", Some(3)).await, Some(3), "too old by now");
}

#[tokio::test]
async fn a_stale_value_is_served_when_it_cannot_be_renewed() {
    let alone = Alone::new(CacheSpec { stale_if_error: SECOND * 30, ..spec() });
    let fails = || alone.cache.get_or_load("key", || async { Err(failure("it is away")) });
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
    alone.clock.advance(SECOND * 2);
    assert_eq!(fails().await.expect("is there").as_deref(), Some(&1));
    alone.clock.advance(SECOND * 30);
    fails().await.expect_err("too old by now");
}

#[tokio::test]
async fn nothing_stale_is_served_after_an_invalidation() {
    let (revalidate, error) = (SECOND * 30, SECOND * 30);
    let spec = CacheSpec { stale_while_revalidate: revalidate, stale_if_error: error, ..spec() };
    let alone = Alone::new(spec);
    assert_eq!(alone.get("key", Some(1)).await, Some(1));
    alone.clock.advance(SECOND * 61);
    alone.write(&["key"]).await;
    let failing = alone.cache.get_or_load("key", || async { Err(failure("it is away")) }).await;
    failing.expect_err("the old one was written over");
    assert_eq!(alone.get("key", Some(2)).await, Some(2));
}

#[tokio::test]
async fn memory_is_bounded_by_weight() {
    let alone = Alone::new(CacheSpec { weight_max: 1 << 20, weigh: |_| 1024, ..spec() });
    for key in 0..10_000_u64 {
        let found = alone.get(&key.to_string(), Some(key)).await;
        assert_eq!(found, Some(key));
    }
    let (entries, bytes) = alone.cache.size();
    assert!(bytes <= 1 << 20, "{bytes}");
    assert!((500..1024).contains(&entries), "{entries}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_thread_has_written_no_thread_reads_over_again() {
    let alone = Arc::new(Alone::new(spec()));
    let committed = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let reads = Arc::new(AtomicUsize::new(0));
    let writer = {
        let (alone, committed) = (alone.clone(), committed.clone());
        let (acknowledged, reads) = (acknowledged.clone(), reads.clone());
        tokio::spawn(async move {
            let mut version = 0;
            // However slow the reader is on a busy machine.
            while version < 2000 || reads.load(Ordering::SeqCst) < 1000 {
                version += 1;
                let commit = async {
                    committed.store(version, Ordering::SeqCst);
                    Ok::<_, StoreError>(())
                };
                let written = alone.caches.write(alone.cache.scope(["key"]), commit).await;
                written.expect("nobody refuses");
                acknowledged.store(version, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        })
    };
    while !writer.is_finished() {
        let at_least = acknowledged.load(Ordering::SeqCst) as u64;
        let committed = committed.clone();
        let load = move || async move {
            tokio::task::yield_now().await;
            let version = committed.load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Some(version as u64))
        };
        let found = alone.cache.get_or_load("key", load).await.expect("is loaded");
        assert!(found.as_deref().is_some_and(|version| *version >= at_least), "{at_least}");
        reads.fetch_add(1, Ordering::SeqCst);
    }
    writer.await.expect("no write failed");
}
