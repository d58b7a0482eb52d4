//! Callers that vanish at any moment, on any pool, and what those who come after them find.

use std::{
    fmt::Debug,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use mainstay_core::{Clock, SystemClock};
use tokio::task::JoinSet;

/// Futures dropped, unless the environment says how many; the promise is for 10,000 and more.
pub(super) const DROPS: usize = 12_000;
pub(super) const CONNECTIONS: usize = 8;
/// Four for each connection, so that there are always some who wait to be handed one.
pub(super) const CROWD: usize = 32;
/// One for each, so that nobody waits and a transaction that is older than its borrower's wish is
/// noticed, however young it is.
pub(super) const FEW: usize = CONNECTIONS;

/// What every borrower must find: no transaction but the one that was asked for, and nothing that
/// somebody has set in another.
pub(super) const LOOK: &str = "SELECT pg_current_xact_id_if_assigned() IS NULL, \
    (extract(epoch FROM now()) * 1000000)::bigint, \
    coalesce(current_setting('store.mark', true), '')";

/// A statement of its own.
pub(super) const ALONE: &str = "SELECT FROM notes, pg_sleep(0.0005)";

/// A pool under test.
pub(super) trait Lender: Clone + Send + Sync + 'static {
    type Borrowed: Borrowed<Error = Self::Error>;
    type Error: Debug + Send;

    fn lend(&self) -> impl Future<Output = Result<Self::Borrowed, Self::Error>> + Send;

    /// Runs [`ALONE`].
    fn alone(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A transaction of the pool.
pub(super) trait Borrowed: Send {
    type Error;

    /// Runs [`LOOK`].
    fn look(&mut self) -> impl Future<Output = Result<Found, Self::Error>> + Send;

    fn run(&mut self, sql: &'static str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn commit(self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What a borrower finds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) is_clean: bool,
    /// Microseconds since 1970.
    pub(super) begun_at: i64,
    pub(super) mark: String,
}

/// What all of them have seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) gone: usize,
    pub(super) done: usize,
    /// What was left by somebody else; the first ends the run.
    pub(super) poisoned: Vec<String>,
    pub(super) failed: Vec<String>,
}

/// A small generator of its own, so that a failure can be repeated.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// As many as `MAINSTAY_TEST_DROPS` says.
#[expect(clippy::disallowed_methods, reason = "set by the test runner, not by a configuration")]
pub(super) fn drops(otherwise: usize) -> usize {
    let told = std::env::var("MAINSTAY_TEST_DROPS").ok();
    told.map_or(otherwise, |told| told.parse().expect("MAINSTAY_TEST_DROPS is a number"))
}

/// Runs `future` for at most this long, or this many polls, and drops it.
async fn dropped<F: Future>(dice: &mut Dice, future: F) -> Option<F::Output> {
    if dice.below(2) == 0 {
        let patience = Duration::from_micros(dice.below(3000));
        return tokio::time::timeout(patience, future).await.ok();
    }
    let mut left = dice.below(12);
    let mut future = pin!(future);
    std::future::poll_fn(|context| match (left, future.as_mut().poll(context)) {
        (_, Poll::Ready(output)) => Poll::Ready(Some(output)),
        (0, Poll::Pending) => Poll::Ready(None),
        (_, Poll::Pending) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// How a borrower ends who does not vanish.
enum End<E> {
    Done,
    Poisoned(String),
    Failed(E),
}

impl<E> From<E> for End<E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

/// A transaction like any other, by somebody who looks where they are first.
async fn borrow<L: Lender>(lender: &L, worker: usize) -> Result<(), End<L::Error>> {
    // The server has the same clock.
    let asked_at = SystemClock::new().now().as_microsecond();
    let mut tx = lender.lend().await?;
    let found = tx.look().await?;
    if !found.is_clean || !found.mark.is_empty() || found.begun_at < asked_at {
        return Err(End::Poisoned(format!("{found:?}, asked for at {asked_at}")));
    }
    tx.run("SELECT set_config('store.mark', 'mine', true)").await?;
    tx.run(
        "INSERT INTO notes (id, body) SELECT coalesce(max(id), 0) + 1, 'half' FROM notes \
         ON CONFLICT DO NOTHING",
    )
    .await?;
    if worker.is_multiple_of(4) {
        tx.run("SELECT pg_sleep(0.002)").await?;
    }
    tx.run("DELETE FROM notes WHERE body = 'half'").await?;
    Ok(tx.commit().await?)
}

/// Has so many of the workers' futures dropped, or fewer if something is found before.
pub(super) async fn vanish<L: Lender>(lender: L, workers: usize, drops: usize) -> Seen {
    let (seen, over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
    let mut working = JoinSet::new();
    for worker in 0..workers {
        let (lender, seen, over) = (lender.clone(), seen.clone(), over.clone());
        working.spawn(async move {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (worker as u64 + 1));
            let mut gone = 0;
            while gone < drops / workers && !over.load(Ordering::Relaxed) {
                let end = match dice.below(4) {
                    0 => {
                        let alone = async { lender.alone().await.map_err(End::Failed) };
                        dropped(&mut dice, alone).await
                    }
                    1 => {
                        let begun = async { lender.lend().await.map(drop).map_err(End::Failed) };
                        dropped(&mut dice, begun).await
                    }
                    _ => dropped(&mut dice, borrow(&lender, worker)).await,
                };
                let end = end.map(|result| result.err().unwrap_or(End::Done));
                gone += usize::from(!matches!(end, Some(End::Done)));
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                match end {
                    None => seen.gone += 1,
                    Some(End::Done) => seen.done += 1,
                    Some(End::Failed(error)) => seen.failed.push(format!("{error:?}")),
                    Some(End::Poisoned(found)) => {
                        seen.poisoned.push(found);
                        over.store(true, Ordering::Relaxed);
                    }
                }
            }
        });
    }
    working.join_all().await;
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}
