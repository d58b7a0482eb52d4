//! Writes that other processes have not been told of, because Redis did not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::cache::write::Closed;

/// Names that are remembered one by one. Beyond it everything is invalidated instead, which costs
/// less than to tell them all.
const NAMES_MAX: usize = 10_000;

/// A write that is owed.
pub(in crate::cache) struct Owed {
    pub(in crate::cache) names: Vec<String>,
    /// In this process nothing of them is kept until the others know.
    pub(in crate::cache) closed: Closed,
}

struct Debt {
    owed: Owed,
    /// Dropped when it is paid.
    _paid: oneshot::Sender<()>,
}

#[derive(Default)]
struct Book {
    debts: Vec<Debt>,
    names: usize,
    is_overfull: bool,
}

pub(super) struct Debts(Mutex<Book>);

/// What is to be paid at once.
pub(super) struct Bill {
    debts: Vec<Debt>,
    pub(super) is_everything: bool,
}

impl Debts {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes a debt; the receiver ends when it has been paid.
    pub(super) fn add(&self, owed: Owed) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut book = self.lock();
        book.names += owed.names.len();
        if book.names > NAMES_MAX {
            book.is_overfull = true;
        }
        let mut debt = Debt { owed, _paid: sender };
        if book.is_overfull {
            debt.owed.names = Vec::new();
        }
        book.debts.push(debt);
        receiver
    }

    pub(super) fn len(&self) -> usize {
        self.lock().debts.len()
    }

    /// Takes everything out; what could not be paid comes back by [`restore`](Self::restore).
    pub(super) fn take(&self) -> Option<Bill> {
        let book = std::mem::take(&mut *self.lock());
        let bill = Bill { debts: book.debts, is_everything: book.is_overfull };
        (!bill.debts.is_empty()).then_some(bill)
    }

    pub(super) fn restore(&self, bill: Bill) {
        let mut book = self.lock();
        book.is_overfull |= bill.is_everything;
        book.names += bill.names().count();
        book.debts.extend(bill.debts);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bill {
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.debts.iter().flat_map(|debt| &debt.owed.names).map(String::as_str)
    }

    /// The others know: what was closed is open, and who waits goes on.
    pub(super) fn settle(self) {
        for debt in self.debts {
            debt.owed.closed.open();
        }
    }
}
