//! A bounded queue from async tasks to threads: pushing never waits, taking blocks.
//!
//! A channel of the standard library or of tokio has one receiver, cannot be closed by the sending
//! side and hands out one item at a time; the group commit wants all that wait.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Why an item was not taken; nothing keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    length_max: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// Threads inside `arrived.wait`: waking nobody still costs a system call.
    asleep: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(length_max: usize) -> Self {
        let state = State { waiting: VecDeque::new(), asleep: 0, closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), length_max }
    }

    pub(crate) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.length_max {
            return Err(Refused::Full);
        }
        state.waiting.push_back(item);
        let wake = state.asleep > 0;
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The oldest item; waits for one. `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<T> {
        self.wait().waiting.pop_front()
    }

    /// The oldest items, at most `count`; waits for one. Empty once the queue is closed and empty.
    pub(crate) fn take_up_to(&self, count: usize) -> VecDeque<T> {
        let mut state = self.wait();
        if state.waiting.len() <= count {
            return std::mem::take(&mut state.waiting);
        }
        state.waiting.drain(..count).collect()
    }

    /// How many wait now.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Refuses new items; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Refuses new items and drops those that wait.
    pub(crate) fn abort(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Dropped after the lock: an item's drop may run a waker.
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        drop(dropped);
    }

    fn wait(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            state.asleep += 1;
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
        state
    }

    /// No code of a caller runs under the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_closed_one_hands_out_the_rest() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(3), Err(Refused::Full));
        queue.close();
        assert_eq!(queue.push(4), Err(Refused::Closed));
        assert_eq!(queue.take_up_to(1), [1]);
        assert_eq!(queue.take(), Some(2));
        assert_eq!(queue.take(), None);
        assert!(queue.take_up_to(9).is_empty());
    }

    #[test]
    fn an_aborted_queue_drops_what_waits() {
        let queue = Queue::new(2);
        let item = Arc::new(());
        queue.push(item.clone()).expect("room");
        queue.abort();
        assert_eq!(Arc::strong_count(&item), 1);
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn every_item_reaches_exactly_one_of_many_takers() {
        let queue = Queue::new(10_000);
        let taken: usize = thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| std::iter::from_fn(|| queue.take()).count()))
                .collect();
            let makers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).for_each(|n| queue.push(n).expect("room"))))
                .collect();
            for maker in makers {
                maker.join().expect("makers do not panic");
            }
            queue.close();
            takers.into_iter().map(|taker| taker.join().expect("takers do not panic")).sum()
        });
        assert_eq!(taken, 4000);
    }
}
