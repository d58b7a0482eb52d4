//! A unit of work: what a task writes becomes durable together or not at all, without its knowing.
//!
//! A unit is *new* until its first write, which opens a transaction. From then on its statements
//! run there, reads included; before, they go the usual way, so that nothing is held while a
//! password is hashed. A statement that fails undoes the transaction. The unit is new again if
//! nothing that somebody counts on went with it, and *doomed* otherwise: what was told to be done
//! is not, so nothing more may be written and nothing is kept. A transaction that the work begins
//! itself is a *share* of the unit's: its commit is a promise that the unit's commit keeps, and its
//! end in any other way undoes the whole.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Mutex, MutexGuard};

use super::{Database, Outcome, transaction::Exclusive};
use crate::{
    error::{Cause, StoreError},
    value::Value,
};

tokio::task_local! {
    /// Set while the work of a unit is polled. A task that it spawns is outside.
    static CURRENT: Unit;
}

/// The number of no transaction, above that of every one.
const ALL: u64 = u64::MAX;

/// Clones are the same unit.
#[derive(Clone)]
pub(crate) struct Unit(Arc<Shared>);

struct Shared {
    database: Database,
    phase: Mutex<Phase>,
    /// Transactions up to this number were abandoned, and are undone before anything else happens.
    abandoned: AtomicU64,
    /// What is done once the unit has ended.
    afterwards: std::sync::Mutex<Vec<Afterwards>>,
}

/// Begun when it is called, and awaited.
pub(crate) type Afterwards = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

enum Phase {
    /// `begun` counts the transactions there were.
    New {
        begun: u64,
    },
    Open(Open),
    Doomed,
}

struct Open {
    transaction: Exclusive,
    number: u64,
    /// Somebody counts on what was written.
    relied_on: bool,
    /// Shares that were not committed yet.
    shares: u32,
}

impl Phase {
    /// Takes the transaction out, and leaves what the unit is without it.
    fn take(&mut self) -> Option<Open> {
        match std::mem::replace(self, Self::Doomed) {
            Self::Open(open) => {
                if !open.relied_on {
                    *self = Self::New { begun: open.number };
                }
                Some(open)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Unit {
    pub(crate) fn new(database: Database) -> Self {
        let phase = Mutex::new(Phase::New { begun: 0 });
        let afterwards = std::sync::Mutex::default();
        Self(Arc::new(Shared { database, phase, abandoned: AtomicU64::new(0), afterwards }))
    }

    /// The unit that the running task is in, whatever its database.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Whether the running task is in one.
    pub(crate) fn is_current() -> bool {
        CURRENT.try_with(|_| ()).is_ok()
    }

    /// Has something done once the unit has ended, before anybody is told so. It is dropped instead
    /// where nobody knows how the unit ended, or nobody waits for it.
    pub(crate) fn afterwards(&self, work: Afterwards) {
        self.0.afterwards.lock().unwrap_or_else(PoisonError::into_inner).push(work);
    }

    async fn finish(&self) {
        let work =
            std::mem::take(&mut *self.0.afterwards.lock().unwrap_or_else(PoisonError::into_inner));
        for work in work {
            work().await;
        }
    }

    /// The unit that the running task is in, if it is one of this database.
    pub(super) fn of(database: &Database) -> Option<Self> {
        let same = |unit: &Self| unit.0.database.is(database).then(|| unit.clone());
        CURRENT.try_with(same).ok().flatten()
    }

    /// Runs work as this unit.
    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    pub(super) async fn read(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        let mut phase = self.lock().await;
        if let Phase::Open(open) = &*phase {
            let relied_on = open.relied_on;
            return run(&mut phase, sql, params, relied_on).await;
        }
        drop(phase);
        self.0.database.read_alone(sql, params).await
    }

    pub(super) async fn write(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        let mut phase = self.lock().await;
        self.open(&mut phase).await?;
        run(&mut phase, sql, params, true).await
    }

    /// Begins a transaction of the work's own within the unit.
    pub(super) async fn share(&self) -> Result<Share, StoreError> {
        let mut phase = self.lock().await;
        let open = self.open(&mut phase).await?;
        open.shares += 1;
        Ok(Share { unit: self.clone(), number: open.number, doomed: false, committed: false })
    }

    /// Ends the unit with one more statement, which has to change a row: false, and nothing kept,
    /// when it does not.
    pub(crate) async fn complete(
        &self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<bool, StoreError> {
        let is_kept = self.end(sql, params).await?;
        self.finish().await;
        Ok(is_kept)
    }

    async fn end(&self, sql: &'static str, params: Vec<Value>) -> Result<bool, StoreError> {
        let mut phase = self.lock().await;
        match std::mem::replace(&mut *phase, Phase::Doomed) {
            Phase::New { .. } => Ok(self.0.database.write_alone(sql, params).await?.changed > 0),
            Phase::Open(mut open) if open.shares == 0 => {
                let changed = open.transaction.run(sql, params).await?.changed > 0;
                if changed {
                    open.transaction.commit().await?;
                } else {
                    open.transaction.rollback().await?;
                }
                Ok(changed)
            }
            Phase::Open(_) | Phase::Doomed => Err(doomed()),
        }
    }

    /// Undoes the unit, and returns once it is undone.
    pub(crate) async fn undo(&self) {
        let mut phase = self.lock().await;
        if let Phase::Open(open) = std::mem::replace(&mut *phase, Phase::Doomed) {
            // After an error the drop has done it as well.
            let _ = open.transaction.rollback().await;
        }
        drop(phase);
        self.finish().await;
    }

    /// Undoes the unit, as soon as that is possible, for who cannot wait.
    pub(crate) fn abandon(&self) {
        self.abandon_up_to(ALL);
    }

    fn abandon_up_to(&self, number: u64) {
        // First, so that whoever has the lock now cannot be followed by somebody who does not know.
        self.0.abandoned.fetch_max(number, Ordering::AcqRel);
        if let Ok(mut phase) = self.0.phase.try_lock() {
            self.settle(&mut phase);
        }
    }

    async fn lock(&self) -> MutexGuard<'_, Phase> {
        let mut phase = self.0.phase.lock().await;
        self.settle(&mut phase);
        phase
    }

    /// Drops what was abandoned.
    fn settle(&self, phase: &mut Phase) {
        let abandoned = self.0.abandoned.load(Ordering::Acquire);
        if abandoned == ALL {
            *phase = Phase::Doomed;
        } else if let Phase::Open(open) = &*phase
            && open.number <= abandoned
        {
            drop(phase.take());
        }
    }

    /// The transaction, which is begun if there is none.
    async fn open<'p>(&self, phase: &'p mut Phase) -> Result<&'p mut Open, StoreError> {
        if let Phase::New { begun } = *phase {
            let transaction = self.0.database.begin_alone().await?;
            let number = begun + 1;
            *phase = Phase::Open(Open { transaction, number, relied_on: false, shares: 0 });
        }
        match phase {
            Phase::Open(open) => Ok(open),
            Phase::New { .. } | Phase::Doomed => Err(doomed()),
        }
    }
}

/// Runs a statement in the open transaction. Afterwards somebody counts on it, if `relied_on`.
async fn run(
    phase: &mut Phase,
    sql: &'static str,
    params: Vec<Value>,
    relied_on: bool,
) -> Result<Outcome, StoreError> {
    // Taken, because it is dropped with this future.
    let mut open = phase.take().ok_or_else(doomed)?;
    match open.transaction.run(sql, params).await {
        Ok(outcome) => {
            *phase = Phase::Open(Open { relied_on, ..open });
            Ok(outcome)
        }
        Err(error) => {
            // After an error the drop has done it as well.
            let _ = open.transaction.rollback().await;
            Err(error)
        }
    }
}

/// A transaction within a unit. Dropped before its commit, it undoes the unit's.
pub(super) struct Share {
    unit: Unit,
    /// Of the transaction that it is a share of: there may be another one later.
    number: u64,
    /// A statement of it failed, or its future was dropped.
    doomed: bool,
    committed: bool,
}

impl Share {
    pub(super) async fn run(
        &mut self,
        sql: &'static str,
        params: Vec<Value>,
    ) -> Result<Outcome, StoreError> {
        if std::mem::replace(&mut self.doomed, true) {
            return Err(doomed());
        }
        let mut phase = self.unit.lock().await;
        let relied_on = self.open(&mut phase)?.relied_on;
        let outcome = run(&mut phase, sql, params, relied_on).await?;
        self.doomed = false;
        Ok(outcome)
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if self.doomed {
            return Err(doomed());
        }
        let unit = self.unit.clone();
        let mut phase = unit.lock().await;
        let open = self.open(&mut phase)?;
        open.relied_on = true;
        open.shares -= 1;
        self.committed = true;
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        let mut phase = self.unit.lock().await;
        if self.open(&mut phase).is_ok()
            && let Some(open) = phase.take()
        {
            open.transaction.rollback().await?;
        }
        Ok(())
    }

    fn open<'p>(&self, phase: &'p mut Phase) -> Result<&'p mut Open, StoreError> {
        match phase {
            Phase::Open(open) if open.number == self.number => Ok(open),
            _ => Err(doomed()),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.committed {
            self.unit.abandon_up_to(self.number);
        }
    }
}

fn doomed() -> StoreError {
    StoreError::Internal(Cause::text(
        "an earlier statement of the unit of work failed or was dropped, and what it had written \
         was undone",
    ))
}
