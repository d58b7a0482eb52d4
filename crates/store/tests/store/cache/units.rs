//! Caches within a unit of work: a request that is done once.

use mainstay_core::{Attempt, Clock, SystemClock};
use mainstay_store::{Cache, CacheSpec, Caches, StoreError};

use super::support::get;
use crate::{
    attempts::{Keeper, keep, request, within},
    fixture::add,
};

struct Unit {
    keeper: Keeper,
    /// Until it has ended.
    attempt: Option<Box<dyn Attempt>>,
    caches: Caches,
    cache: Cache<u64>,
}

impl Unit {
    async fn new() -> Self {
        let keeper = Keeper::new().await;
        let attempt = Some(keeper.fresh(request(1, 1)).await);
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(SystemClock::new());
        let caches = Caches::alone(clock);
        let cache = caches.in_process(CacheSpec::new("numbers"));
        Self { keeper, attempt, caches, cache }
    }

    fn attempt(&mut self) -> &mut Box<dyn Attempt> {
        self.attempt.as_mut().expect("it has not ended")
    }

    /// Writes a row and the key within the unit.
    async fn write(&mut self) {
        let (db, caches) = (self.keeper.db().clone(), self.caches.clone());
        let scope = self.cache.scope(["key"]);
        let written =
            within(self.attempt(), async move { caches.write(scope, add(&db, 1)).await.map(drop) });
        let written: Result<(), StoreError> = written.await;
        written.expect("the id is new");
    }

    /// Whether the cache keeps what is read now.
    async fn is_kept(&self, value: u64) -> bool {
        assert_eq!(get(&self.cache, "key", Some(value)).await, Some(value));
        get(&self.cache, "key", Some(value + 1)).await == Some(value)
    }
}

#[tokio::test]
async fn a_unit_reads_by_itself_and_leaves_nothing_behind() {
    let mut unit = Unit::new().await;
    assert_eq!(get(&unit.cache, "key", Some(1)).await, Some(1));
    let cache = unit.cache.clone();
    within(unit.attempt(), async move {
        assert_eq!(get(&cache, "key", Some(2)).await, Some(2));
        assert_eq!(get(&cache, "other", Some(2)).await, Some(2));
    })
    .await;
    assert_eq!(get(&unit.cache, "key", Some(3)).await, Some(1));
    assert_eq!(get(&unit.cache, "other", Some(3)).await, Some(3));
    unit.attempt.take().expect("it has not ended").give_up().await;
}

#[tokio::test]
async fn what_a_unit_writes_stays_closed_until_it_has_ended() {
    for is_kept in [true, false] {
        let mut unit = Unit::new().await;
        assert!(unit.is_kept(1).await);
        unit.write().await;
        assert!(!unit.is_kept(3).await, "nobody knows how it will end");
        let attempt = unit.attempt.take().expect("it has not ended");
        if is_kept {
            keep(attempt).await;
        } else {
            attempt.give_up().await;
        }
        assert!(unit.is_kept(5).await, "it has ended");
        assert_eq!(unit.keeper.fixture.ids().await, if is_kept { vec![1] } else { vec![] });
    }
}

#[tokio::test]
async fn what_an_abandoned_unit_may_have_written_stays_closed() {
    let mut unit = Unit::new().await;
    unit.write().await;
    unit.attempt = None;
    assert!(!unit.is_kept(1).await);
}
