//! Claims and attempts as the tests of both make them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use mainstay_core::{
    Attempt, Claim, Clock, Completion, IdempotencyFuture, IdempotencyStore, KeptAnswer,
    KeyedRequest, Timestamp,
};
use mainstay_store::{Database, Idempotency, Migration, Migrations};

use crate::fixture::Fixture;

const TABLE: Migrations =
    Migrations::new(&[Migration::new("0001_idempotency.sql", Idempotency::TABLE)]);

/// How long a claim lasts here.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// A clock that a test moves, in seconds.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs().try_into().expect("a short time"), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// A database with notes and the table of requests.
pub(crate) struct Keeper {
    pub(crate) fixture: Fixture,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Idempotency,
}

impl Keeper {
    pub(crate) async fn new() -> Self {
        let fixture = Fixture::new().await;
        fixture.db.migrate(TABLE).up().await.expect("the table is made");
        let clock = Arc::<TestClock>::default();
        let store = Idempotency::new(fixture.db.clone(), clock.clone());
        Self { fixture, clock, store }
    }

    pub(crate) fn db(&self) -> &Database {
        &self.fixture.db
    }

    pub(crate) async fn claim(&self, request: KeyedRequest) -> Claim {
        self.store.claim(request, LEASE).await.expect("the store answers")
    }

    /// Claims what nobody has.
    pub(crate) async fn fresh(&self, request: KeyedRequest) -> Box<dyn Attempt> {
        match self.claim(request).await {
            Claim::Fresh(attempt) => attempt,
            other => panic!("{}", name(&other)),
        }
    }

    /// What is known of a request; claims it if that is nothing.
    pub(crate) async fn look(&self, request: KeyedRequest) -> &'static str {
        name(&self.claim(request).await)
    }
}

pub(crate) fn name(claim: &Claim) -> &'static str {
    match claim {
        Claim::Fresh(_) => "fresh",
        Claim::Answered(_) => "answered",
        Claim::InProgress => "in progress",
        Claim::Reused => "reused",
    }
}

pub(crate) fn request(id: u8, fingerprint: u8) -> KeyedRequest {
    KeyedRequest { id: [id; 32], fingerprint: [fingerprint; 32] }
}

pub(crate) fn answer() -> KeptAnswer {
    KeptAnswer {
        status: 201,
        code: None,
        headers: vec![
            ("location".to_owned(), b"/notes/1".to_vec()),
            ("x-word".to_owned(), b"caf\xc3\xa9: \xff".to_vec()),
        ],
        body: b"{\"id\":1}\0\xff".to_vec(),
    }
}

/// Does the work of an attempt, and goes on with what it found.
pub(crate) async fn within<T: Send>(
    attempt: &mut Box<dyn Attempt>,
    work: impl Future<Output = T> + Send,
) -> T {
    let mut done = None;
    let working: IdempotencyFuture<'_, ()> = Box::pin(async { done = Some(work.await) });
    attempt.scope(working).await;
    done.expect("an attempt runs its work")
}

/// Completes an attempt that should have kept its claim.
pub(crate) async fn keep(attempt: Box<dyn Attempt>) {
    let completed = attempt.complete(answer()).await;
    assert_eq!(completed.expect("the store answers"), Completion::Kept);
}
