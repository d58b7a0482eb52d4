//! A thread that reads: one statement at a time, stopped when its caller goes away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    engine::Statement,
    statement::{self, Access},
    ticket::Watch,
};
use crate::{
    database::{Outcome, queue::Queue},
    error::StoreError,
};

pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) watch: Watch,
    pub(super) queue: Arc<Queue<Statement>>,
    pub(super) statement_timeout: Duration,
}

impl Reader {
    /// Serves until the queue is closed and empty.
    pub(super) fn serve(self) {
        while let Some(job) = self.queue.take() {
            if job.ticket.start() {
                let result = self.run(&job);
                // An error here is a caller that has gone.
                let _ = job.reply.send(result);
            }
        }
    }

    fn run(&self, job: &Statement) -> Result<Outcome, StoreError> {
        let now = Instant::now();
        let outcome =
            self.watch.during(now + self.statement_timeout, Some(job.ticket.clone()), || {
                statement::run(&self.connection, Access::Read, job.sql, &job.params)
            });
        outcome.map(|outcome| Outcome { waited: now - job.queued, ..outcome })
    }
}
