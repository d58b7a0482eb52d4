//! The thread that writes, with group commit.
//!
//! All jobs that wait, up to `batch_max`, share one transaction. A statement that fails undoes
//! itself, and an interactive transaction has a savepoint of its own, so an error is its member's
//! only. One `COMMIT` makes the group durable, and every member is answered after it: an error too,
//! because it may rest on a neighbour's uncommitted row. (The statements inside an interactive
//! transaction are answered at once. Should the commit fail, what they were told may rest on rows
//! that were never kept, and the transaction's own commit fails with them.) When nobody else waits
//! the group is one job, and a lone writer never waits for company.
//!
//! SQLite ends the whole transaction by itself when the disk is full or a write is interrupted.
//! Then the other statements run again in a new group, without the one that did it. An interactive
//! transaction cannot run again: its caller is told that it was not committed.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mainstay_core::Histogram;
use rusqlite::Connection;

use super::{
    engine::Statement,
    savepoint,
    session::{End, Limits, Session},
    statement::{self, Access},
    ticket::Watch,
};
use crate::{
    database::{Outcome, figures, queue::Queue},
    error::{Cause, StoreError},
};

/// How old a group may be before a transaction joins it: about one commit on a slow disk. Waiting
/// longer for a neighbour would cost its members more than a commit of their own.
const GROUP_AGE_MAX: Duration = Duration::from_millis(5);

/// How long a group of several waits for as many again: about one commit on a fast disk, as
/// PostgreSQL's `commit_delay` is advised to be (half a flush and more). Measured at 64 clients:
/// a tenth more inserts.
const COMPANY_WAIT_MAX: Duration = Duration::from_micros(100);

/// Work that has the connection to itself, outside any transaction.
pub(super) type Exclusive = Box<dyn FnOnce(&mut Connection) + Send>;

/// What waits for the writer.
pub(super) enum Job {
    Statement(Statement),
    Session(Session),
    Exclusive(Exclusive),
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) watch: Watch,
    pub(super) queue: Arc<Queue<Job>>,
    pub(super) commits: Arc<Commits>,
    pub(super) batch_max: usize,
    pub(super) limits: Limits,
}

/// What the writer counts.
pub(super) struct Commits {
    /// How long each commit took that kept something.
    pub(super) took: Histogram,
    /// Members of the groups that were committed.
    pub(super) members: AtomicU64,
}

impl Default for Commits {
    fn default() -> Self {
        Self { took: figures::histogram(), members: AtomicU64::new(0) }
    }
}

/// A member that waits for the group's commit.
enum Member {
    Statement(Statement, Result<Outcome, StoreError>),
    Session(tokio::sync::oneshot::Sender<Result<(), StoreError>>),
}

impl Member {
    fn answer(self) {
        // An error here is a caller that has gone.
        match self {
            Self::Statement(statement, result) => drop(statement.reply.send(result)),
            Self::Session(reply) => drop(reply.send(Ok(()))),
        }
    }

    fn refuse(self, error: StoreError) {
        match self {
            Self::Statement(statement, _) => drop(statement.reply.send(Err(error))),
            Self::Session(reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Writer {
    /// Serves until the queue is closed and empty.
    pub(super) fn serve(mut self) {
        let mut company = 0;
        loop {
            self.await_company(company);
            let mut jobs = self.queue.take_up_to(self.batch_max);
            if jobs.is_empty() {
                break;
            }
            company = jobs.len();
            while let Some(job) = jobs.pop_front() {
                match job {
                    Job::Exclusive(work) => work(&mut self.connection),
                    job => {
                        jobs.push_front(job);
                        self.run_group(&mut jobs);
                    }
                }
            }
        }
        self.tidy();
    }

    /// Lets those who were answered together come again, so that the next commit serves them all
    /// and not the first of them. A lone writer waits for nobody.
    fn await_company(&self, company: usize) {
        let begun = Instant::now();
        while company > 1 && self.queue.len() < company && begun.elapsed() < COMPANY_WAIT_MAX {
            thread::yield_now();
        }
    }

    /// Runs jobs from the front in one transaction, and leaves those it does not take.
    fn run_group(&self, jobs: &mut VecDeque<Job>) {
        if let Err(error) = savepoint::begin_group(&self.connection) {
            refuse(jobs, &error);
            return;
        }
        let begun = Instant::now();
        let mut members = Vec::with_capacity(jobs.len());
        while let Some(job) = jobs.pop_front() {
            let full = !members.is_empty() && begun.elapsed() > GROUP_AGE_MAX;
            let is_statement = matches!(job, Job::Statement(_));
            match job {
                Job::Statement(statement) => self.run_statement(statement, &mut members),
                Job::Session(session) if !full => self.run_session(session, &mut members),
                job => {
                    jobs.push_front(job);
                    break;
                }
            }
            if self.connection.is_autocommit() {
                // The job that ended it: a session has told its caller already.
                if let Some(member) = members.pop_if(|_| is_statement) {
                    member.answer();
                }
                run_again(members, jobs);
                return;
            }
        }
        self.commit(members);
    }

    fn run_statement(&self, statement: Statement, members: &mut Vec<Member>) {
        if !statement.again && !statement.ticket.start() {
            return;
        }
        let result = self.run_whole(&statement);
        members.push(Member::Statement(statement, result));
    }

    fn run_session(&self, session: Session, members: &mut Vec<Member>) {
        if !session.ticket.start() {
            return;
        }
        if let End::Committed(reply) = session.serve(&self.connection, &self.watch, self.limits) {
            members.push(Member::Session(reply));
        }
    }

    /// Runs one statement whole or not at all.
    ///
    /// A savepoint would cost as much as a small insert. SQLite undoes a statement that a
    /// constraint refuses (<https://www.sqlite.org/lang_conflict.html>, `ABORT`), which is the
    /// error that happens. After any other, and after one that kept something all the same
    /// (`FAIL`), the group's transaction is ended, and the others run again.
    fn run_whole(&self, job: &Statement) -> Result<Outcome, StoreError> {
        let now = Instant::now();
        let changes = self.connection.total_changes();
        let outcome = self.watch.during(now + self.limits.statement, None, || {
            statement::run(&self.connection, Access::Write, job.sql, &job.params)
        });
        let undone = match &outcome {
            Ok(_) => true,
            Err(StoreError::Constraint { .. }) => self.connection.total_changes() == changes,
            Err(_) => false,
        };
        if !undone {
            // Half a statement must not be committed; without this thread nothing is.
            savepoint::rollback(&self.connection).expect("a transaction can be rolled back");
        }
        outcome.map(|outcome| Outcome { waited: now - job.queued, ..outcome })
    }

    fn commit(&self, members: Vec<Member>) {
        let begun = Instant::now();
        match savepoint::commit_group(&self.connection) {
            Ok(()) => {
                if !members.is_empty() {
                    self.commits.took.observe(begun.elapsed());
                    self.commits.members.fetch_add(members.len() as u64, Ordering::Relaxed);
                }
                members.into_iter().for_each(Member::answer);
            }
            Err(error) => {
                let _ = savepoint::rollback(&self.connection);
                self.commit_failed(members, &error);
            }
        }
    }

    /// A deferred constraint speaks at the commit and does not say whose it was: each statement is
    /// tried alone. Any other error is about the disk, and everybody's.
    fn commit_failed(&self, members: Vec<Member>, error: &StoreError) {
        let deferred = matches!(error, StoreError::Constraint { .. });
        if !deferred || members.len() == 1 {
            for member in members {
                member.refuse(error.clone());
            }
            return;
        }
        for member in members {
            match member {
                Member::Statement(statement, _) => {
                    let alone = Job::Statement(Statement { again: true, ..statement });
                    self.run_group(&mut VecDeque::from([alone]));
                }
                Member::Session(_) => member.refuse(lost()),
            }
        }
    }

    /// Leaves statistics for the next start and an empty log. Failing costs neither data nor more
    /// than the next start's recovery.
    fn tidy(&self) {
        let _ = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
    }
}

/// Puts the members of a transaction that is gone back to the front, in their order; also those
/// that had failed, as what they failed on may be gone too.
fn run_again(members: Vec<Member>, jobs: &mut VecDeque<Job>) {
    for member in members.into_iter().rev() {
        match member {
            Member::Statement(statement, _) => {
                jobs.push_front(Job::Statement(Statement { again: true, ..statement }));
            }
            Member::Session(_) => member.refuse(lost()),
        }
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable(Cause::text("the commit shared with other transactions failed"))
}

/// Answers everybody who needed the write lock, instead of letting each wait for it in turn.
fn refuse(jobs: &mut VecDeque<Job>, error: &StoreError) {
    for job in std::mem::take(jobs) {
        match job {
            Job::Statement(statement) => drop(statement.reply.send(Err(error.clone()))),
            Job::Session(session) => drop(session.opened.send(Err(error.clone()))),
            exclusive @ Job::Exclusive(_) => jobs.push_back(exclusive),
        }
    }
}
