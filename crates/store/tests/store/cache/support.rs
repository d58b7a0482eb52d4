//! What the tests of caches share: a clock, and a loader that waits to be let go.

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mainstay_core::{Clock, SystemClock, Timestamp};
use mainstay_store::{Cache, CacheSpec, Caches, CachesOptions, Redis, RedisOptions, StoreError};
use tokio::sync::oneshot;

/// A clock that a test moves.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// A process on its own with one cache.
pub(crate) struct Alone {
    pub(crate) caches: Caches,
    pub(crate) cache: Cache<u64>,
    pub(crate) clock: Arc<TestClock>,
}

impl Alone {
    pub(crate) fn new(spec: CacheSpec<u64>) -> Self {
        let clock = Arc::<TestClock>::default();
        let caches = Caches::alone(clock.clone());
        Self { cache: caches.in_process(spec), caches, clock }
    }

    /// Asks for a key whose loader would answer `value`.
    pub(crate) async fn get(&self, key: &str, value: Option<u64>) -> Option<u64> {
        get(&self.cache, key, value).await
    }
}

pub(crate) async fn get(cache: &Cache<u64>, key: &str, value: Option<u64>) -> Option<u64> {
    let found = cache.get_or_load(key, move || async move { Ok(value) }).await;
    found.expect("the loader answers").as_deref().copied()
}

/// A loader that says when it has begun, and goes on when it is told.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    waiting: Arc<Mutex<Vec<oneshot::Sender<Option<u64>>>>>,
    begun: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) async fn load(self) -> Result<Option<u64>, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().expect("no panic").push(sender);
        self.begun.fetch_add(1, Ordering::SeqCst);
        receiver.await.map_err(|_| failure("the gate was closed"))
    }

    /// How many loads have begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) async fn has_begun(&self, loads: usize) {
        let waiting = async {
            while self.begun() < loads {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a load begins");
    }

    /// Lets the oldest load answer.
    pub(crate) fn answer(&self, value: Option<u64>) {
        let sender = self.waiting.lock().expect("no panic").remove(0);
        // Whoever loaded may have gone.
        let _ = sender.send(value);
    }

    /// Lets the oldest load fail.
    pub(crate) fn fail(&self) {
        self.waiting.lock().expect("no panic").remove(0);
    }
}

/// An error of the database.
pub(crate) fn failure(text: &'static str) -> StoreError {
    let error: Box<dyn Error + Send + Sync> = text.into();
    StoreError::Unavailable(std::io::Error::other(error).into())
}

/// The bound of [`Process::start`].
pub(crate) const STALENESS: Duration = Duration::from_secs(1);

/// What stands for a process here: caches with a view of Redis of their own.
pub(crate) struct Process {
    pub(crate) caches: Caches,
    /// Shared through Redis.
    pub(crate) cache: Cache<u64>,
    /// Values stay in the process.
    pub(crate) private: Cache<u64>,
}

impl Process {
    /// One that trusts its caches soon, as nobody has written in an outage, and goes on to on a
    /// machine that is busy: for what does not depend on time.
    pub(crate) async fn start(url: &str, spec: fn() -> CacheSpec<u64>) -> Self {
        let settle = Some(Duration::from_millis(50));
        let options = CachesOptions { staleness: STALENESS, settle, ..CachesOptions::default() };
        let command_timeout = Duration::from_secs(5);
        Self::with(url, spec, options, RedisOptions { command_timeout, ..RedisOptions::default() })
            .await
    }

    /// One as it is in production.
    pub(crate) async fn usual(url: &str, spec: fn() -> CacheSpec<u64>) -> Self {
        Self::with(url, spec, CachesOptions::default(), RedisOptions::default()).await
    }

    async fn with(
        url: &str,
        spec: fn() -> CacheSpec<u64>,
        options: CachesOptions,
        redis: RedisOptions,
    ) -> Self {
        let redis = Redis::new(url.parse().expect("an address"), redis);
        let caches = Caches::shared(&redis, Arc::new(SystemClock::new()), options);
        let private = CacheSpec { name: "private", ..spec() };
        let process =
            Self { cache: caches.two_tier(spec()), private: caches.in_process(private), caches };
        process.is_trusted(true).await;
        process
    }

    /// Waits until the process trusts its caches, or no longer does.
    pub(crate) async fn is_trusted(&self, wanted: bool) {
        until(async || self.caches.state().is_trusted == wanted).await;
    }

    pub(crate) async fn write(&self, keys: &[&str]) -> Result<(), StoreError> {
        let scope = self.cache.scope(keys).and(self.private.scope(keys));
        self.caches.write(scope, async { Ok(()) }).await
    }

    /// Whether each cache serves `value` under a key without loading it.
    pub(crate) async fn serves(&self, key: &str, value: u64) -> [bool; 2] {
        let mut found = [false; 2];
        for (cache, found) in [&self.cache, &self.private].into_iter().zip(&mut found) {
            *found = get(cache, key, Some(value + 1_000_000)).await == Some(value);
        }
        found
    }

    /// Reads a key into each cache.
    pub(crate) async fn fill(&self, key: &str, value: u64) {
        for cache in [&self.cache, &self.private] {
            assert_eq!(get(cache, key, Some(value)).await, Some(value));
        }
    }
}

/// Waits for something that comes.
pub(crate) async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes");
}
