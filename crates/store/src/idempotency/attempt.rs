//! `SqlAttempt`: a request that is being done, as a unit of work.

use std::time::Duration;

use jiff::Timestamp;
use mainstay_core::{Attempt, BoxFault, Completion, IdempotencyFuture, KeptAnswer, new_id};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::answer::header_block;
use crate::{
    database::{Database, Unit},
    params,
    value::Value,
};

/// Only who still has the claim completes it.
const COMPLETE: &str = "UPDATE mainstay_idempotency \
                        SET status = $3, code = $4, headers = $5, body = $6 \
                        WHERE id = $1 AND attempt = $2 AND status IS NULL";

/// Leaves an answer alone: whoever gives up may not know that they have completed it.
const GIVE_UP: &str = "DELETE FROM mainstay_idempotency \
                       WHERE id = $1 AND attempt = $2 AND status IS NULL";

/// The right to do a request. Dropped, it gives the claim up in a task.
///
/// An attempt has a number that no other has, ever, and not one that counts: a claim that is given
/// up leaves no row to count in, and the next one must not pass for the one before.
pub(super) struct Ticket {
    database: Database,
    id: [u8; 32],
    attempt: Uuid,
    void: bool,
}

impl Ticket {
    pub(super) fn new(database: Database, id: [u8; 32], now: Timestamp) -> Self {
        Self { database, id, attempt: new_id(now), void: false }
    }

    pub(super) fn attempt(&self) -> Uuid {
        self.attempt
    }

    /// There is nothing to give up, or nothing any longer.
    pub(super) fn void(mut self) {
        self.void = true;
    }

    fn values(&self) -> Vec<Value> {
        params![self.id.to_vec(), self.attempt]
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Without a runtime the process ends, and the lease with it.
        if !self.void && Handle::try_current().is_ok() {
            tokio::spawn(give_up_in_the_end(self.database.clone(), self.values()));
        }
    }
}

/// How often giving up is tried, a second apart at most: until about the end of the lease, which
/// does the same.
const GIVE_UP_TRIES: u32 = 20;

/// Gives a claim up although the database may be busy just now: who waits for it would wait for the
/// end of the lease.
async fn give_up_in_the_end(database: Database, values: Vec<Value>) {
    let mut pause = Duration::from_millis(50);
    for tried in 1.. {
        let Err(error) = database.execute(GIVE_UP, values.clone()).await else { return };
        if tried == GIVE_UP_TRIES {
            tracing::warn!(error = &error as &dyn std::error::Error, "a claim was not given up");
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Fields are dropped in this order: first the effect is undone, then the claim is given up.
pub(super) struct SqlAttempt {
    unit: Abandoned,
    ticket: Ticket,
}

/// A unit that is undone with its attempt, whoever still has a part of it.
struct Abandoned(Unit);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl SqlAttempt {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self { unit: Abandoned(Unit::new(ticket.database.clone())), ticket }
    }
}

impl Attempt for SqlAttempt {
    fn scope<'a>(&'a mut self, work: IdempotencyFuture<'a, ()>) -> IdempotencyFuture<'a, ()> {
        Box::pin(self.unit.0.scope(work))
    }

    fn complete(
        self: Box<Self>,
        answer: KeptAnswer,
    ) -> IdempotencyFuture<'static, Result<Completion, BoxFault>> {
        Box::pin(async move {
            let Self { ticket, unit } = *self;
            let KeptAnswer { status, code, headers, body } = answer;
            let mut values = ticket.values();
            values.extend(params![i32::from(status), code, header_block(&headers), body]);
            let completed = unit.0.complete(COMPLETE, values).await;
            let kept = completed.map_err(|error| Box::new(error) as BoxFault)?;
            ticket.void();
            Ok(if kept { Completion::Kept } else { Completion::Lost })
        })
    }

    fn give_up(self: Box<Self>) -> IdempotencyFuture<'static, ()> {
        Box::pin(async move {
            let Self { ticket, unit } = *self;
            unit.0.undo().await;
            // The drop of the ticket tries again, and the end of the lease does in any case.
            if ticket.database.execute(GIVE_UP, ticket.values()).await.is_ok() {
                ticket.void();
            }
        })
    }
}
