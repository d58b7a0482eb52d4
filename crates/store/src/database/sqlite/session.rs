//! An interactive transaction: the caller's end, and the loop that serves it on the writer's
//! thread.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    super::Outcome,
    savepoint,
    statement::{self, Access},
    ticket::{Ticket, Watch},
};
use crate::{
    error::{Cause, StoreError},
    value::Value,
};

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What a transaction asks of the writer.
pub(super) enum Request {
    Run { sql: &'static str, params: Vec<Value>, reply: Reply<Outcome> },
    Commit { reply: Reply<()> },
    Rollback { reply: Reply<()> },
}

/// The writer's end.
pub(super) struct Session {
    pub(super) ticket: Arc<Ticket>,
    pub(super) requests: mpsc::Receiver<Request>,
    /// Tells the caller that its savepoint is set.
    pub(super) opened: Reply<()>,
}

/// How a session left its savepoint.
pub(super) enum End {
    /// Released. To be answered after the commit of the group.
    Committed(Reply<()>),
    /// Undone, or never begun; nobody waits for anything.
    Undone,
}

/// How long a session may last.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) statement: Duration,
    pub(super) idle: Duration,
    pub(super) whole: Duration,
}

impl Session {
    /// Serves the transaction to its end inside a savepoint.
    ///
    /// The enclosing transaction may be gone afterwards: SQLite ends it by itself when the disk is
    /// full or a write is interrupted. The caller of this checks.
    pub(super) fn serve(self, connection: &Connection, watch: &Watch, limits: Limits) -> End {
        let begun = savepoint::begin(connection);
        let failed = begun.is_err();
        if self.opened.send(begun).is_err() || failed {
            savepoint::undo(connection);
            return End::Undone;
        }
        let deadline = Instant::now() + limits.whole;
        let mut doomed = false;
        loop {
            match next_request(&self.requests, deadline, limits.idle) {
                Some(Request::Run { reply, .. }) if doomed => {
                    let _ = reply.send(Err(doomed_error()));
                }
                Some(Request::Run { sql, params, reply }) => {
                    let until = deadline.min(Instant::now() + limits.statement);
                    let result = watch.during(until, None, || {
                        statement::run(connection, Access::Write, sql, &params)
                    });
                    doomed = result.is_err();
                    let _ = reply.send(result);
                }
                Some(Request::Commit { reply }) => return commit(connection, reply, doomed),
                Some(Request::Rollback { reply }) => {
                    savepoint::undo(connection);
                    let _ = reply.send(Ok(()));
                    return End::Undone;
                }
                // The closed channel tells the caller.
                None => {
                    savepoint::undo(connection);
                    return End::Undone;
                }
            }
        }
    }
}

/// `None` when the caller has gone or ran out of time.
fn next_request(
    requests: &mpsc::Receiver<Request>,
    deadline: Instant,
    idle: Duration,
) -> Option<Request> {
    let left = deadline.checked_duration_since(Instant::now())?;
    requests.recv_timeout(idle.min(left)).ok()
}

fn commit(connection: &Connection, reply: Reply<()>, doomed: bool) -> End {
    let result =
        if doomed || reply.is_closed() { Err(doomed_error()) } else { savepoint::keep(connection) };
    match result {
        Ok(()) => End::Committed(reply),
        Err(error) => {
            savepoint::undo(connection);
            let _ = reply.send(Err(error));
            End::Undone
        }
    }
}

fn doomed_error() -> StoreError {
    StoreError::Internal(Cause::text(
        "an earlier statement of the transaction failed or was dropped",
    ))
}

/// The caller's end. Dropping it rolls back: the writer sees the channel close.
pub(crate) struct SqliteTransaction {
    requests: mpsc::Sender<Request>,
    /// Between asking and hearing. Still so at the next call when a statement's future was dropped,
    /// and then nobody knows what it did.
    asking: bool,
}

impl SqliteTransaction {
    pub(super) fn new(requests: mpsc::Sender<Request>) -> Self {
        Self { requests, asking: false }
    }

    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.refuse_doomed()?;
        self.asking = true;
        let result = self.ask(|reply| Request::Run { sql, params, reply }).await;
        self.asking = false;
        result
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.refuse_doomed()?;
        self.ask(|reply| Request::Commit { reply }).await
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        self.ask(|reply| Request::Rollback { reply }).await
    }

    fn refuse_doomed(&self) -> Result<(), StoreError> {
        if self.asking { Err(doomed_error()) } else { Ok(()) }
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| out_of_time())?;
        // The writer may give the session up between the two lines.
        answer.await.unwrap_or_else(|_| Err(out_of_time()))
    }
}

fn out_of_time() -> StoreError {
    StoreError::TimedOut(Cause::text(
        "the transaction was rolled back: it was idle or open for too long, or the writer stopped",
    ))
}
