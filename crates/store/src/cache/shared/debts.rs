//! Writes that other processes have not been told of, because Redis did not answer.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::cache::{fences::Fences, write::Closed};

/// Names that are remembered one by one. Beyond it everything is invalidated instead, which costs
/// less than to tell them all, and no more memory however long an outage lasts.
const NAMES_MAX: usize = 10_000;

/// A write that is owed.
pub(in crate::cache) struct Owed {
    pub(in crate::cache) names: Vec<String>,
    /// In this process nothing of them is kept until the others know.
    pub(in crate::cache) closed: Closed,
}

pub(super) struct Debts {
    bill: Mutex<Bill>,
    fences: Arc<Fences>,
}

/// What is to be paid at once.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) names: HashSet<String>,
    /// Each name once, or everything.
    closed: Vec<Closed>,
    /// Dropped when all is paid. Who waits gives up in the end.
    waiting: Vec<oneshot::Sender<()>>,
    pub(super) is_everything: bool,
}

impl Debts {
    pub(super) fn new(fences: Arc<Fences>) -> Self {
        Self { bill: Mutex::default(), fences }
    }

    /// Takes a debt; the receiver ends when it has been paid.
    pub(super) fn add(&self, owed: Owed) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut bill = self.lock();
        bill.waiting.retain(|waiting| !waiting.is_closed());
        bill.waiting.push(sender);
        let mut names = owed.names;
        names.retain(|name| !bill.names.contains(name));
        if bill.names.len() + names.len() > NAMES_MAX {
            bill.end_everything(&self.fences);
        } else if !bill.is_everything {
            bill.closed.push(Closed::new(&self.fences, &names));
            bill.names.extend(names);
        }
        // What is closed stays so by the bill.
        owed.closed.open();
        receiver
    }

    /// Names that are owed; all that there may be count as one.
    pub(super) fn len(&self) -> usize {
        let bill = self.lock();
        bill.names.len() + usize::from(bill.is_everything)
    }

    /// Takes everything out; what could not be paid comes back by [`restore`](Self::restore).
    pub(super) fn take(&self) -> Option<Bill> {
        let bill = std::mem::take(&mut *self.lock());
        (!bill.closed.is_empty()).then_some(bill)
    }

    pub(super) fn restore(&self, bill: Bill) {
        let mut current = self.lock();
        let newer = std::mem::replace(&mut *current, bill);
        let bill = &mut *current;
        bill.waiting.extend(newer.waiting);
        bill.names.extend(newer.names);
        bill.closed.extend(newer.closed);
        if newer.is_everything || bill.names.len() > NAMES_MAX {
            bill.end_everything(&self.fences);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Bill> {
        self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bill {
    fn end_everything(&mut self, fences: &Arc<Fences>) {
        if !self.is_everything {
            self.is_everything = true;
            let everything = Closed::everything(fences);
            self.closed.clear();
            self.closed.push(everything);
        }
        self.names.clear();
    }
}
