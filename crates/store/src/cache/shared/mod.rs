//! What processes share of their caches, through Redis: values, and what is being written.
//!
//! Of each name there are two keys, on one node of a cluster. The *notice* is a hash with a field
//! for each write that is under way, whose value says until when, and `at`, the time of the last
//! change. Each change of a notice is pushed to every process ([`tracker`]), as all notices begin
//! alike and nothing else does. The *state* holds the value of an entry, or who has the right to
//! load it; or the number of a tag, by which a value says which one of its lives it belongs to.
//!
//! - `intent` comes before a commit: it notes the write, and deletes the state, and with it the
//!   right of whoever is loading. While it is there nobody may keep what they load.
//! - `publish` comes after the commit: it removes the note, and deletes the state again. A process
//!   that dies in between leaves a note, which ends by itself after more time than a commit takes.
//! - `look` answers with the value, with the right to load it, or with neither.
//! - `fill` keeps a value if the right to load it is still there: no write has begun since.
//! - `tag` gives the number of a tag, unless it is being written or was so after a load began.
//!
//! A value belongs to one run of the server and to one epoch: a server that is started again with
//! an old memory, or another one that takes its place, has no value of use; a new epoch ends all.
//! Only `intent` and `publish` work when the memory of the server is full. The others begin with the
//! change that takes memory: it is what a full server refuses, and only as long as it is the first.

mod debts;
mod proof;
mod scripts;
mod tracker;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use self::{
    debts::Debts,
    proof::{Proof, Silence},
};
pub(super) use self::{
    debts::Owed,
    scripts::{Look, Right},
};
use super::fences::Fences;
use crate::redis::{Link, Purpose, Redis};

/// Bounds of what is shared; see [`CachesOptions`](super::CachesOptions).
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) staleness: Duration,
    pub(super) settle: Duration,
    pub(super) write_max: Duration,
}

/// Redis, as the caches of a process see it.
pub(super) struct Shared {
    link: Link,
    core: Arc<Core>,
    bounds: Bounds,
    /// What every key begins with.
    prefix: String,
    /// Dropped with it, which ends the tracker.
    _alive: oneshot::Sender<()>,
}

/// What the tracker and the readers have in common.
struct Core {
    fences: Arc<Fences>,
    proof: Proof,
    silence: Silence,
    epoch: Mutex<Option<Arc<str>>>,
    /// What notices begin with.
    notices: String,
    debts: Debts,
    /// Somebody has to learn the epoch, or to pay.
    work: Notify,
    /// How often the epoch was, or may have been, another one.
    forgotten: AtomicU64,
    pushes: AtomicU64,
    lapses: AtomicU64,
}

impl Shared {
    pub(super) fn new(redis: &Redis, bounds: Bounds, fences: Arc<Fences>) -> Self {
        let prefix = format!("{}:cache:", redis.options().namespace);
        let core = Arc::new(Core {
            fences,
            proof: Proof::new(),
            silence: Silence::new(),
            epoch: Mutex::new(None),
            notices: format!("{prefix}n:"),
            debts: Debts::new(),
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
    pub(super) fn is_trusted(&self) -> bool {
        self.core.proof.holds()
    }

    fn notice(&self, name: &str) -> String {
        format!("{}{name}", self.core.notices)
    }

    fn state(&self, name: &str) -> String {
        format!("{}s:{name}", self.prefix)
    }

    fn epoch(&self) -> Option<Arc<str>> {
        self.core.epoch()
    }

    /// Notices that arrived, and how often a proof was lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.core.pushes), read(&self.core.lapses))
    }

    /// The time since the last question that was answered in time.
    pub(super) fn silence(&self) -> Duration {
        self.core.silence.length()
    }

    /// Writes that other processes have not been told of.
    pub(super) fn debts(&self) -> usize {
        self.core.debts.len()
    }

    /// Has other processes told of a write as soon as that is possible. What is closed stays closed
    /// until then.
    pub(super) fn owe(&self, owed: Owed) -> oneshot::Receiver<()> {
        let paid = self.core.debts.add(owed);
        self.core.work.notify_one();
        paid
    }

    /// Waits until a write that could not be told may be acknowledged: it has been told after all,
    /// or nobody can have a proof any more.
    ///
    /// When Redis is away for everybody, no process has had an answer to what it sent after this one's
    /// first question without one, and each serves for the bound after that: at most three times the
    /// bound since the last that was answered. When this process alone is cut off that is not so, and
    /// waiting longer would not help.
    pub(super) async fn until_harmless(&self, paid: oneshot::Receiver<()>) {
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
    fn epoch(&self) -> Option<Arc<str>> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_epoch(&self, epoch: Option<Arc<str>>) {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
    }

    /// Takes a notice, by the key that has changed.
    fn notice(&self, key: &str) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        let Some(name) = key.strip_prefix(&self.notices) else { return };
        if name == scripts::EPOCH {
            self.forget_all();
        } else {
            self.fences.raise(self.fences.of(name));
        }
    }

    /// Everything was deleted, or is to be taken for it.
    fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.set_epoch(None);
        self.fences.raise_all();
        self.work.notify_one();
    }
}

/// A word that nobody else has.
fn unique() -> String {
    format!("{:032x}", fastrand::u128(..))
}
