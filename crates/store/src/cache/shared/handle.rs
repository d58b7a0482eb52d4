//! `Shared`: Redis as the caches of a process see it, and what its tracker knows.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    Bounds, Owed,
    debts::Debts,
    proof::{Proof, Silence},
    scripts, tracker,
};
use crate::{
    cache::fences::Fences,
    redis::{Link, Purpose, Redis},
};

/// Redis, as the caches of a process see it.
pub(in crate::cache) struct Shared {
    pub(super) link: Link,
    pub(super) core: Arc<Core>,
    pub(super) bounds: Bounds,
    /// What every key begins with.
    pub(super) prefix: String,
    /// Dropped with it, which ends the tracker.
    _alive: oneshot::Sender<()>,
}

/// What the tracker and the readers have in common.
pub(super) struct Core {
    pub(super) fences: Arc<Fences>,
    pub(super) proof: Proof,
    pub(super) silence: Silence,
    epoch: Mutex<Option<Arc<str>>>,
    /// What notices begin with.
    pub(super) notices: String,
    pub(super) debts: Debts,
    /// Somebody has to learn the epoch, or to pay.
    pub(super) work: Notify,
    /// How often the epoch was, or may have been, another one.
    pub(super) forgotten: AtomicU64,
    pub(super) pushes: AtomicU64,
    pub(super) lapses: AtomicU64,
}

impl Shared {
    pub(in crate::cache) fn new(redis: &Redis, bounds: Bounds, fences: Arc<Fences>) -> Self {
        let prefix = format!("{}:cache:", redis.options().namespace);
        let core = Arc::new(Core {
            debts: Debts::new(fences.clone()),
            fences,
            proof: Proof::new(),
            silence: Silence::new(),
            epoch: Mutex::new(None),
            notices: format!("{prefix}n:"),
            work: Notify::new(),
            forgotten: AtomicU64::new(0),
            pushes: AtomicU64::new(0),
            lapses: AtomicU64::new(0),
        });
        let link = redis.link(Purpose::Cache);
        let (alive, end) = oneshot::channel();
        tracker::start(redis.clone(), link.clone(), bounds, core.clone(), end);
        Self { link, core, bounds, prefix, _alive: alive }
    }

    /// Whether invalidations are certain to have arrived. To be asked before an entry is looked at,
    /// and again after Redis has answered: an answer that came late may be of a Redis that was
    /// stopped, and does not know of a write that could not be told.
    pub(in crate::cache) fn is_trusted(&self) -> bool {
        self.core.proof.holds()
    }

    pub(super) fn notice(&self, name: &str) -> String {
        format!("{}{name}", self.core.notices)
    }

    pub(super) fn state(&self, name: &str) -> String {
        format!("{}s:{name}", self.prefix)
    }

    pub(super) fn epoch(&self) -> Option<Arc<str>> {
        self.core.epoch()
    }

    /// Notices that arrived, and how often a proof was lost.
    pub(in crate::cache) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.core.pushes), read(&self.core.lapses))
    }

    /// The time since the last question that was answered in time.
    pub(in crate::cache) fn silence(&self) -> Duration {
        self.core.silence.length()
    }

    /// Writes that other processes have not been told of.
    pub(in crate::cache) fn debts(&self) -> usize {
        self.core.debts.len()
    }

    /// Has other processes told of a write as soon as that is possible. What is closed stays closed
    /// until then.
    pub(in crate::cache) fn owe(&self, owed: Owed) -> oneshot::Receiver<()> {
        let paid = self.core.debts.add(owed);
        self.core.work.notify_one();
        paid
    }

    /// Waits until a write that could not be told may be acknowledged: it has been told after all,
    /// or nobody can have a proof any more.
    ///
    /// When Redis is away for everybody, no process has had an answer to what it sent after this
    /// one's first question without one, and each serves for the bound after that: at most three
    /// times the bound since the last that was answered. When this process alone is cut off that is
    /// not so, and waiting longer would not help.
    pub(in crate::cache) async fn until_harmless(&self, paid: oneshot::Receiver<()>) {
        let enough = self.bounds.staleness * 3;
        let silent = async {
            loop {
                match enough.checked_sub(self.core.silence.length()) {
                    None => break,
                    Some(left) => tokio::time::sleep(left.max(Duration::from_millis(1))).await,
                }
            }
        };
        tokio::select! {
            _ = paid => {}
            () = silent => {}
            () = tokio::time::sleep(WAIT_MAX) => {}
        }
    }
}

/// The longest a write waits to be told after its commit while Redis answers the tracker and not
/// the writer. Longer than a link takes to be made again, and no longer than a client waits.
const WAIT_MAX: Duration = Duration::from_secs(1);

impl Core {
    pub(super) fn epoch(&self) -> Option<Arc<str>> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_epoch(&self, epoch: Option<Arc<str>>) {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    /// Takes a notice, by the key that has changed.
    pub(super) fn notice(&self, key: &str) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        let Some(name) = key.strip_prefix(&self.notices) else { return };
        if name == scripts::EPOCH {
            self.forget_all();
        } else {
            self.fences.raise(self.fences.of(name));
        }
    }

    /// Everything was deleted, or is to be taken for it.
    pub(super) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.set_epoch(None);
        self.fences.raise_all();
        self.work.notify_one();
    }
}
