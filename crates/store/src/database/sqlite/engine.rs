//! The handle of the engine: it starts the threads, fills their queues and waits for answers.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{
    backup::{self, BackupError, BackupProgress},
    connection::{self, Identity, Place},
    reader::Reader,
    session::{Limits, Session, SqliteTransaction},
    ticket::{Claim, Ticket, Watch},
    writer::{Commits, Job, Writer},
};
use crate::{
    database::{
        DatabaseOptions, Outcome, SqliteFigures,
        queue::{Queue, Refused},
    },
    error::{Cause, OpenError, StoreError},
    value::Value,
};

/// A statement on its way to a thread.
pub(super) struct Statement {
    pub(super) sql: &'static str,
    pub(super) params: Vec<Value>,
    pub(super) ticket: Arc<Ticket>,
    pub(super) queued: Instant,
    /// It was started before, in a group that failed: its ticket is taken.
    pub(super) again: bool,
    pub(super) reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The handle; clones share the threads, which end with the last of them.
#[derive(Clone)]
pub(crate) struct Sqlite(Arc<Shared>);

struct Shared {
    place: Place,
    /// What the path led to when it was opened.
    identity: Option<Identity>,
    options: DatabaseOptions,
    reads: Arc<Queue<Statement>>,
    writes: Arc<Queue<Job>>,
    commits: Arc<Commits>,
    refused: AtomicU64,
    /// How many threads of each kind still run.
    alive: watch::Sender<Alive>,
    /// Held by the health check that looks at the moment.
    probing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, Default)]
struct Alive {
    writers: usize,
    readers: usize,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.reads.close();
        self.writes.close();
    }
}

impl Sqlite {
    /// Opens every connection before it returns, so that a bad file is known at the start.
    pub(crate) async fn open(place: Place, options: DatabaseOptions) -> Result<Self, OpenError> {
        let opening = tokio::task::spawn_blocking(move || Self::open_blocking(place, options));
        opening.await.unwrap_or_else(|_| {
            Err(OpenError::new(
                "cannot open the database",
                "the runtime is shutting down",
                "Open it before that.",
            ))
        })
    }

    fn open_blocking(place: Place, options: DatabaseOptions) -> Result<Self, OpenError> {
        let mut shared = Shared {
            identity: None,
            reads: Arc::new(Queue::new(options.read_queue_max)),
            writes: Arc::new(Queue::new(options.write_queue_max)),
            commits: Arc::default(),
            refused: AtomicU64::new(0),
            alive: watch::Sender::new(Alive::default()),
            probing: Arc::default(),
            place,
            options,
        };
        shared.start_writer()?;
        shared.identity = shared.place.identity();
        for index in 0..shared.options.readers {
            shared.start_reader(index)?;
        }
        Ok(Self(Arc::new(shared)))
    }

    pub(crate) async fn read(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.run(sql, params, |statement| self.0.reads.push(statement)).await
    }

    pub(crate) async fn write(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        self.run(sql, params, |statement| self.0.writes.push(Job::Statement(statement))).await
    }

    pub(crate) async fn begin(&self) -> Result<SqliteTransaction, StoreError> {
        let claim = Claim::new();
        let (opened, answer) = oneshot::channel();
        let (sender, requests) = mpsc::channel();
        let session = Session { ticket: claim.ticket(), requests, opened };
        self.0.writes.push(Job::Session(session)).map_err(|why| self.refused(why))?;
        self.answer(claim, answer).await?;
        Ok(SqliteTransaction::new(sender))
    }

    /// Runs work that needs the writer's connection for itself, without a time limit.
    pub(crate) async fn exclusively<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Exclusive(Box::new(move |connection| drop(reply.send(work(connection)))));
        self.0.writes.push(job).map_err(|why| self.refused(why))?;
        answer.await.map_err(|_| stopped())
    }

    /// Refuses new work, and returns when the threads have done what they had.
    pub(crate) async fn close(&self) {
        self.0.reads.close();
        self.0.writes.close();
        let mut alive = self.0.alive.subscribe();
        // An error would mean that the sender is gone, and we hold it.
        let _ = alive.wait_for(|alive| alive.writers + alive.readers == 0).await;
    }

    /// Reads from the file on a connection of its own: queues say how busy it is, not whether it
    /// works.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        let alive = *self.0.alive.borrow();
        if alive.writers == 0 || alive.readers == 0 {
            return Err("the database was closed, or a thread of it stopped".to_owned());
        }
        let shared = self.0.clone();
        // One look at a time: a disk that hangs must not take a thread for each probe. Who waits is
        // bounded by the patience of the probe.
        let one_at_a_time = shared.probing.clone().lock_owned().await;
        let looking = tokio::task::spawn_blocking(move || {
            let _one_at_a_time = one_at_a_time;
            shared.look().map_err(|error| error.to_string())
        });
        looking.await.unwrap_or_else(|_| Err("the check stopped".to_owned()))
    }

    /// Copies the database as it is now into a new file.
    pub(crate) async fn backup(
        &self,
        to: PathBuf,
        progress: impl FnMut(BackupProgress) + Send + 'static,
    ) -> Result<u64, BackupError> {
        let shared = self.0.clone();
        let copying = move || backup::run(&shared.place, &shared.options, &to, progress);
        let copying = tokio::task::spawn_blocking(copying);
        copying.await.unwrap_or_else(|_| Err(backup::stopped()))
    }

    async fn run(
        &self,
        sql: &'static str,
        params: Vec<Value>,
        push: impl FnOnce(Statement) -> Result<(), Refused>,
    ) -> Result<Outcome, StoreError> {
        let claim = Claim::new();
        let (reply, answer) = oneshot::channel();
        let statement = Statement {
            sql,
            params,
            ticket: claim.ticket(),
            queued: Instant::now(),
            again: false,
            reply,
        };
        push(statement).map_err(|why| self.refused(why))?;
        self.answer(claim, answer).await
    }

    /// Waits for the answer; gives up when the job has not been started in time.
    async fn answer<T>(
        &self,
        claim: Claim,
        mut answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let patience = self.0.options.queue_wait_max;
        let received = match tokio::time::timeout(patience, &mut answer).await {
            Ok(received) => received,
            Err(_) if claim.withdraw() => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                return Err(StoreError::Overloaded(Cause::text("the queue moves too slowly")));
            }
            // It runs, and its own time limits are at work.
            Err(_) => answer.await,
        };
        received.unwrap_or_else(|_| Err(stopped()))
    }

    /// What the threads and their queues count.
    pub(crate) fn figures(&self) -> SqliteFigures {
        let Shared { reads, writes, commits, refused, .. } = &*self.0;
        SqliteFigures {
            reads_waiting: reads.len(),
            writes_waiting: writes.len(),
            refused: refused.load(Ordering::Relaxed),
            commits: commits.took.read(),
            committed: commits.members.load(Ordering::Relaxed),
        }
    }

    fn refused(&self, why: Refused) -> StoreError {
        match why {
            Refused::Full => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                StoreError::Overloaded(Cause::text("the queue is full"))
            }
            Refused::Closed => StoreError::Unavailable(Cause::text("the database was closed")),
        }
    }
}

impl Shared {
    fn start_writer(&self) -> Result<(), OpenError> {
        let options = &self.options;
        let mut connection = connection::open_writer(&self.place, options)?;
        let writer = Writer {
            watch: install(&mut connection)?,
            connection,
            queue: self.writes.clone(),
            commits: self.commits.clone(),
            batch_max: options.batch_max,
            limits: Limits {
                statement: options.statement_timeout,
                idle: options.transaction_idle_timeout,
                whole: options.transaction_timeout,
            },
        };
        let (alive, queue) = (self.alive.clone(), self.writes.clone());
        alive.send_modify(|alive| alive.writers += 1);
        spawn("sqlite-writer".to_owned(), move || {
            let _exit = Exit(|| {
                alive.send_modify(|alive| alive.writers -= 1);
                queue.abort();
            });
            writer.serve();
        })
    }

    fn start_reader(&self, index: usize) -> Result<(), OpenError> {
        let mut connection = connection::open_reader(&self.place, &self.options)?;
        let reader = Reader {
            watch: install(&mut connection)?,
            connection,
            queue: self.reads.clone(),
            statement_timeout: self.options.statement_timeout,
        };
        let (alive, queue) = (self.alive.clone(), self.reads.clone());
        alive.send_modify(|alive| alive.readers += 1);
        spawn(format!("sqlite-reader-{index}"), move || {
            let _exit = Exit(|| {
                alive.send_modify(|alive| alive.readers -= 1);
                if alive.borrow().readers == 0 {
                    queue.abort();
                }
            });
            reader.serve();
        })
    }

    fn look(&self) -> Result<(), Box<dyn std::error::Error>> {
        // What is written to a file without a name is lost with the process.
        if self.place.identity() != self.identity {
            return Err(
                "the file was removed or replaced: stop the service, and put it back".into()
            );
        }
        let connection = connection::open_reader(&self.place, &self.options)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
        Ok(())
    }
}

/// Runs at the end of a thread, also when it panics: nobody may wait for a thread that is gone.
struct Exit<F: FnMut()>(F);

impl<F: FnMut()> Drop for Exit<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    thread::Builder::new().name(name).spawn(work).map(drop).map_err(|error| {
        OpenError::new(
            "cannot open the database",
            format!("a thread cannot be started ({error})"),
            "Raise the limit of threads or memory for this process.",
        )
    })
}

fn install(connection: &mut Connection) -> Result<Watch, OpenError> {
    Watch::install(connection).map_err(|error| {
        OpenError::new(
            "cannot open the database",
            format!("SQLite does not take a time limit ({error})"),
            "Report this as a defect.",
        )
    })
}

fn stopped() -> StoreError {
    StoreError::Unavailable(Cause::text("the thread of the database stopped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn memory() -> Sqlite {
        Sqlite::open(Place::memory(), DatabaseOptions::default()).await.expect("opens")
    }

    #[tokio::test]
    async fn a_writer_that_panics_answers_everybody_and_is_noticed() {
        let sqlite = memory().await;
        let (ready, wait) = oneshot::channel::<()>();
        let panicking = sqlite.exclusively(move |_| {
            // Ends when the sender is dropped, so the others wait behind.
            let _ = wait.blocking_recv();
            panic!("a defect");
        });
        let waiting = async {
            let write = sqlite.write("CREATE TABLE t (a bigint)", Vec::new());
            let begin = sqlite.begin();
            let release = async { drop(ready) };
            tokio::join!(write, begin, release)
        };
        let (panicked, (write, begin, ())) = tokio::join!(panicking, waiting);
        assert!(matches!(panicked, Err(StoreError::Unavailable(_))));
        assert!(matches!(write, Err(StoreError::Unavailable(_))));
        assert!(matches!(begin.err(), Some(StoreError::Unavailable(_))));
        let later = sqlite.write("CREATE TABLE t (a bigint)", Vec::new()).await;
        assert!(matches!(later, Err(StoreError::Unavailable(_))));
        sqlite.probe().await.expect_err("the writer is gone");
        sqlite.read("SELECT 1", Vec::new()).await.expect("readers live on");
        sqlite.close().await;
    }

    #[tokio::test]
    async fn connections_are_set_up_for_durability() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Place::File(folder.path().join("app.db"));
        let sqlite = Sqlite::open(place, DatabaseOptions::default()).await.expect("opens");
        let settings = sqlite.exclusively(|connection| {
            let number =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            ["synchronous", "foreign_keys", "trusted_schema"].map(|name| number(name).ok())
        });
        let full = Some(2);
        assert_eq!(settings.await.expect("is read"), [full, Some(1), Some(0)]);
        let journal = sqlite.exclusively(|connection| {
            connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).ok()
        });
        assert_eq!(journal.await.expect("is read").as_deref(), Some("wal"));
    }

    #[tokio::test]
    async fn dropping_the_last_handle_ends_the_threads() {
        let sqlite = memory().await;
        let mut alive = sqlite.0.alive.subscribe();
        drop(sqlite);
        // The sender is kept by the threads; an error means that they have ended as well.
        let _ = alive.wait_for(|alive| alive.writers + alive.readers == 0).await;
    }
}
