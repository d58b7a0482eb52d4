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
    outcome: Outcome,
    void: bool,
}

/// What is known of the statement that makes the claim.
#[derive(Clone, Copy)]
enum Outcome {
    /// It is over.
    Known,
    /// It was given up, and the server may still make the claim: after what gives it up, even.
    Unknown,
}

impl Ticket {
    pub(super) fn new(database: Database, id: [u8; 32], now: Timestamp) -> Self {
        Self { database, id, attempt: new_id(now), outcome: Outcome::Unknown, void: false }
    }

    pub(super) fn attempt(&self) -> Uuid {
        self.attempt
    }

    /// The claim was made.
    pub(super) fn made(mut self) -> Self {
        self.outcome = Outcome::Known;
        self
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
            let giving_up = give_up_in_the_end(self.database.clone(), self.values(), self.outcome);
            tokio::spawn(giving_up);
        }
    }
}

/// The pauses between tries to give up: each is twice as long as the one before, so that the last
/// try is 12.75 s after the first, about when the lease ends, which does the same.
const GIVE_UP_PAUSE_MIN: Duration = Duration::from_millis(50);
const GIVE_UP_PAUSE_MAX: Duration = Duration::from_millis(6400);

/// Gives a claim up although the database may be busy just now, or still about to make it: who
/// waits for it would wait for the end of the lease.
async fn give_up_in_the_end(database: Database, values: Vec<Value>, outcome: Outcome) {
    let mut pause = GIVE_UP_PAUSE_MIN;
    loop {
        let given_up = database.execute(GIVE_UP, values.clone()).await;
        match (&given_up, outcome) {
            (Ok(1..), _) | (Ok(0), Outcome::Known) => return,
            (Ok(0), Outcome::Unknown) | (Err(_), _) => {}
        }
        if pause > GIVE_UP_PAUSE_MAX {
            if let Err(error) = given_up {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a claim was not given up");
            }
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
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
