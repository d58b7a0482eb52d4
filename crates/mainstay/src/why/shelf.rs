//! `Shelf`: the latest requests of one class, within a budget.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::entry::Entry;

/// Keeps what it is given until newer ones need the room.
#[derive(Debug)]
pub(super) struct Shelf {
    /// For entries alone.
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Never grows: it is made as long as it can become, and paid for from the budget.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Shelf {
    pub(super) fn new(bytes_max: usize) -> Self {
        const PLACE: usize = size_of::<Arc<Entry>>();
        let entries = VecDeque::with_capacity(bytes_max / (Entry::BYTES_MIN + PLACE));
        let bytes_max = bytes_max.saturating_sub(entries.capacity() * PLACE);
        Self { bytes_max, held: Mutex::new(Held { entries, bytes: 0 }) }
    }

    /// Puts it in, and the oldest out until there is room. One that needs more than there is for
    /// all is not kept.
    pub(super) fn put(&self, entry: Arc<Entry>) {
        let bytes = entry.bytes();
        let mut held = self.held();
        if bytes > self.bytes_max || held.entries.capacity() == 0 {
            return;
        }
        while held.bytes + bytes > self.bytes_max || held.entries.len() == held.entries.capacity() {
            let Some(oldest) = held.entries.pop_front() else { break };
            held.bytes -= oldest.bytes();
        }
        held.bytes += bytes;
        held.entries.push_back(entry);
    }

    /// All of them, to be looked at while others are put in.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.held().entries.iter().cloned().collect()
    }

    /// The memory that it takes, counted anew.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let held = self.held();
        let list = held.entries.capacity() * size_of::<Arc<Entry>>();
        list + held.entries.iter().map(|entry| entry.bytes()).sum::<usize>()
    }

    /// No code of a caller runs under the lock, so what is in it is whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
