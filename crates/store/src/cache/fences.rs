//! `Fences`: what has been invalidated since when, and what is being written now.
//!
//! One sequence counts invalidations. A fill notes the sequence when it begins, and every name has
//! a fence: the sequence of its last invalidation. What was filled is legal as long as no fence of
//! its names has been raised since the fill began, whenever it is put into the cache and whenever
//! it is taken out. So an invalidation finds no entry and takes no lock, and a fill that was
//! overtaken is never seen.
//!
//! Names share fences by their hash. An invalidation may take an innocent entry with it; it never
//! misses a guilty one.

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use foldhash::quality::RandomState;

/// Fences of a process, over all caches. With 16,384 an invalidation takes one entry in 16,384 with
/// it that it does not mean, for 192 KiB.
const FENCES: usize = 1 << 14;

/// Names of one entry: its key and its tags.
const NAMES_MAX: usize = 8;

/// Tags of one entry, at most.
pub(super) const TAGS_MAX: usize = NAMES_MAX - 1;

/// The fence of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence(u16);

/// When a fill began, and the fences of all that it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    began: u64,
    /// Those that are not used repeat the first.
    fences: [Fence; NAMES_MAX],
}

impl Stamp {
    pub(super) fn new(began: u64, key: Fence) -> Self {
        Self { began, fences: [key; NAMES_MAX] }
    }

    /// Adds tags, [`TAGS_MAX`] at most.
    pub(super) fn with(mut self, tags: impl IntoIterator<Item = Fence>) -> Self {
        for (place, tag) in self.fences[1..].iter_mut().zip(tags) {
            *place = tag;
        }
        self
    }
}

pub(super) struct Fences {
    /// How many invalidations there were.
    sequence: AtomicU64,
    /// What began earlier is illegal, whatever its names.
    floor: AtomicU64,
    raised: Box<[AtomicU64]>,
    /// How many writes are under way.
    closed: Box<[AtomicU32]>,
    /// How many that may be of any name.
    all_closed: AtomicU32,
    /// Random for each process: nobody outside can choose names that share a fence.
    random: RandomState,
}

impl Fences {
    pub(super) fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            raised: (0..FENCES).map(|_| AtomicU64::new(0)).collect(),
            closed: (0..FENCES).map(|_| AtomicU32::new(0)).collect(),
            all_closed: AtomicU32::new(0),
            random: RandomState::default(),
        }
    }

    pub(super) fn of(&self, name: &str) -> Fence {
        Fence((self.random.hash_one(name) as usize % FENCES) as u16)
    }

    /// The beginning of a fill: read before anything that the fill relies on.
    pub(super) fn now(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Invalidates a name. What a fill that begins later reads has to be new already.
    pub(super) fn raise(&self, fence: Fence) {
        let now = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        // Another thread may have counted later and come here first.
        self.raised[usize::from(fence.0)].fetch_max(now, Ordering::AcqRel);
    }

    /// Invalidates everything.
    pub(super) fn raise_all(&self) {
        let now = self.sequence.fetch_add(1, Ordering::AcqRel) + 1;
        self.floor.fetch_max(now, Ordering::AcqRel);
    }

    pub(super) fn is_legal(&self, stamp: &Stamp) -> bool {
        let raised = |fence: &Fence| self.raised[usize::from(fence.0)].load(Ordering::Acquire);
        stamp.began >= self.floor.load(Ordering::Acquire)
            && stamp.fences.iter().all(|fence| raised(fence) <= stamp.began)
    }

    /// Refuses fills of a name until it is [opened](Self::open), and invalidates it.
    ///
    /// Counted first: a fill that still saw it open is put into the cache with a stamp that the
    /// raised fence makes illegal.
    pub(super) fn close(&self, fence: Fence) {
        self.closed[usize::from(fence.0)].fetch_add(1, Ordering::AcqRel);
        self.raise(fence);
    }

    /// Invalidates a name, and ends one [`close`](Self::close) of it.
    pub(super) fn open(&self, fence: Fence) {
        self.raise(fence);
        self.closed[usize::from(fence.0)].fetch_sub(1, Ordering::AcqRel);
    }

    /// As [`close`](Self::close), of everything.
    pub(super) fn close_all(&self) {
        self.all_closed.fetch_add(1, Ordering::AcqRel);
        self.raise_all();
    }

    /// As [`open`](Self::open), of everything.
    pub(super) fn open_all(&self) {
        self.raise_all();
        self.all_closed.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a name of the stamp is being written.
    pub(super) fn is_closed(&self, stamp: &Stamp) -> bool {
        let closed = |fence: &Fence| self.closed[usize::from(fence.0)].load(Ordering::Acquire) > 0;
        self.all_closed.load(Ordering::Acquire) > 0 || stamp.fences.iter().any(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fences() -> (Fences, Fence, Fence) {
        let fences = Fences::new();
        let one = fences.of("one");
        let names = (0..).map(|number: u32| fences.of(&number.to_string()));
        let other = names.into_iter().find(|fence| *fence != one).expect("there are many");
        (fences, one, other)
    }

    #[test]
    fn a_fill_is_legal_until_one_of_its_names_is_invalidated() {
        let (fences, key, tag) = fences();
        for name in [key, tag] {
            let stamp = Stamp::new(fences.now(), key).with([tag]);
            assert!(fences.is_legal(&stamp));
            fences.raise(name);
            assert!(!fences.is_legal(&stamp));
            assert!(fences.is_legal(&Stamp::new(fences.now(), key).with([tag])), "it began later");
        }
    }

    #[test]
    fn an_invalidation_leaves_other_names_alone_unless_it_is_of_everything() {
        let (fences, one, other) = fences();
        let stamp = Stamp::new(fences.now(), one);
        fences.raise(other);
        assert!(fences.is_legal(&stamp));
        fences.raise_all();
        assert!(!fences.is_legal(&stamp));
    }

    #[test]
    fn a_name_is_closed_until_the_last_of_its_writes_has_ended() {
        let (fences, one, other) = fences();
        let [key, tag] =
            [[one, other], [other, one]].map(|[key, tag]| Stamp::new(0, key).with([tag]));
        fences.close(one);
        fences.close(one);
        fences.open(one);
        assert!(fences.is_closed(&key) && fences.is_closed(&tag));
        let during = Stamp::new(fences.now(), one);
        fences.open(one);
        assert!(!fences.is_closed(&key) && !fences.is_legal(&during));
    }
}
