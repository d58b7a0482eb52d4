//! `Idempotency`: who has a request, and what is known of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use mainstay_core::{
    BoxFault, Claim, Clock, Code, FaultSet, IdempotencyFuture, IdempotencyStore, KeptAnswer,
    KeyedRequest, Work,
};

use super::{
    answer,
    attempt::{SqlAttempt, Ticket},
};
use crate::{
    database::Database,
    error::{Cause, StoreError},
    params,
    row::{FromRow, Row},
    value::Value,
};

/// How long an answer is kept, and its key with it. A day: what other APIs promise, and longer than
/// any client of sense tries again.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// Claims between two looks for old rows, and how many are removed at most: twice as many as can
/// have come since, so that the table shrinks to what is of use, in steps that delay nobody.
const SWEEP_EVERY: u32 = 64;
const SWEEP_MAX: u32 = 2 * SWEEP_EVERY;

/// How often a claim begins anew because what was in its way has gone meanwhile.
const TRIES_MAX: usize = 3;

/// Takes the row if there is none, or one that is of no use to anybody. A claim whose lease is over
/// goes to the same request only, which may have had its effect just now: then there is an answer.
const CLAIM: &str = "INSERT INTO mainstay_idempotency \
                     (id, fingerprint, attempt, lease_until, expires_at) \
                     VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, \
                     attempt = excluded.attempt, lease_until = excluded.lease_until, \
                     expires_at = excluded.expires_at, \
                     status = NULL, code = NULL, headers = NULL, body = NULL \
                     WHERE mainstay_idempotency.expires_at <= $6 \
                     OR (mainstay_idempotency.status IS NULL \
                     AND mainstay_idempotency.lease_until <= $6 \
                     AND mainstay_idempotency.fingerprint = excluded.fingerprint) \
                     RETURNING 1";

const FIND: &str = "SELECT fingerprint, lease_until, expires_at, status, code, headers, body \
                    FROM mainstay_idempotency WHERE id = $1";

/// The age is asked for twice, because a row may be claimed anew between the two looks.
const SWEEP: &str = "DELETE FROM mainstay_idempotency WHERE expires_at <= $1 AND id IN \
                     (SELECT id FROM mainstay_idempotency WHERE expires_at <= $1 \
                     ORDER BY expires_at LIMIT $2)";

/// Keeps requests in a table of the service's own database, which one of its migrations makes:
///
/// ```sql
#[doc = include_str!("table.sql")]
/// ```
///
/// What a request writes, by clones of this database and not in a task that it spawns, is one
/// transaction with its answer. So it holds locks, and on the embedded engine the writer, from the
/// first write to the answer; a handler does what is slow before.
///
/// Times are the service's clock's. Where the clocks of two processes differ, a claim may be taken
/// over early, which costs its holder a refusal; the effect stays one.
pub struct Idempotency {
    database: Database,
    clock: Arc<dyn Clock>,
    claims: AtomicU32,
}

impl Idempotency {
    /// The migration that makes the table.
    pub const TABLE: &str = include_str!("table.sql");

    /// Keeps requests beside what they write in `database`.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, claims: AtomicU32::new(0) }
    }

    /// Whether the table is there; an error otherwise, or when nobody can tell.
    pub async fn check(&self) -> Result<(), StoreError> {
        let look = "SELECT id, fingerprint, attempt, lease_until, expires_at, status, code, \
                    headers, body FROM mainstay_idempotency LIMIT 0";
        self.database.query::<()>(look, params![]).await.map(drop)
    }

    async fn find_or_claim(
        &self,
        request: KeyedRequest,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            // Looked for first, because those who wait ask often: a read waits for nobody, and many
            // claims of what cannot be had would keep its holder from the connections.
            let values = params![request.id.to_vec()];
            let found = self.database.query_optional::<Found>(FIND, values).await?;
            if let Some(known) = found.and_then(|found| found.judge(request, now)) {
                return Ok(known);
            }
            if let Some(ticket) = self.claim_at(now, request, lease).await? {
                self.sweep_now_and_then(now);
                return Ok(Claim::Fresh(Box::new(SqlAttempt::new(ticket))));
            }
        }
        Ok(Claim::InProgress)
    }

    async fn claim_at(
        &self,
        now: Timestamp,
        request: KeyedRequest,
        lease: Duration,
    ) -> Result<Option<Ticket>, StoreError> {
        // Before the claim, so that one which nobody waits for any longer is given up as well.
        let ticket = Ticket::new(self.database.clone(), request.id, now);
        let after = |wait| now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let values = params![
            request.id.to_vec(),
            request.fingerprint.to_vec(),
            ticket.attempt(),
            after(lease),
            after(KEPT_FOR.max(lease)),
            now,
        ];
        let (ticket, claimed) = self.claim_to_the_end(ticket, values).await?;
        match claimed {
            Ok(rows) if !rows.is_empty() => Ok(Some(ticket.made())),
            // Nothing was begun.
            Ok(_) => {
                ticket.void();
                Ok(None)
            }
            Err(error @ StoreError::Overloaded(_)) => {
                ticket.void();
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the claim, whether or not somebody waits for it until then: a claim that was left in
    /// the middle could come after what gives it up, and nobody would have it until its lease is
    /// over.
    async fn claim_to_the_end(
        &self,
        ticket: Ticket,
        values: Vec<Value>,
    ) -> Result<(Ticket, Result<Vec<()>, StoreError>), StoreError> {
        let database = self.database.clone();
        let claiming = async move {
            let claimed = database.execute_returning(CLAIM, values).await;
            (ticket, claimed)
        };
        let claiming = match Work::current() {
            Some(work) => tokio::spawn(work.scope(claiming)),
            None => tokio::spawn(claiming),
        };
        let stopped = |_| StoreError::Unavailable(Cause::text("the runtime is shutting down"));
        claiming.await.map_err(stopped)
    }

    fn sweep_now_and_then(&self, now: Timestamp) {
        if self.claims.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            self.database.execute_later(SWEEP, params![now, SWEEP_MAX]);
        }
    }
}

impl IdempotencyStore for Idempotency {
    fn claim(
        &self,
        request: KeyedRequest,
        lease: Duration,
    ) -> IdempotencyFuture<'_, Result<Claim, BoxFault>> {
        Box::pin(async move {
            self.find_or_claim(request, lease).await.map_err(|error| Box::new(error) as BoxFault)
        })
    }

    fn codes(&self) -> Vec<Code> {
        let mut codes = Vec::new();
        StoreError::declare(&mut codes);
        codes
    }
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").finish_non_exhaustive()
    }
}

/// What is known of a request.
struct Found {
    fingerprint: Vec<u8>,
    lease_until: Timestamp,
    expires_at: Timestamp,
    answer: Option<KeptAnswer>,
}

impl Found {
    /// What there is to say; `None` if the request can be claimed.
    fn judge(self, request: KeyedRequest, now: Timestamp) -> Option<Claim> {
        match self.answer {
            _ if self.expires_at <= now => None,
            _ if self.fingerprint != request.fingerprint => Some(Claim::Reused),
            Some(answer) => Some(Claim::Answered(answer)),
            None => (self.lease_until > now).then_some(Claim::InProgress),
        }
    }
}

impl FromRow for Found {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            fingerprint: row.get("fingerprint")?,
            lease_until: row.get("lease_until")?,
            expires_at: row.get("expires_at")?,
            answer: answer::read(row)?,
        })
    }
}
