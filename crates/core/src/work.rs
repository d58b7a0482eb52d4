//! What the code that runs now works for: until when somebody waits for it, and where.
//!
//! A pool, a queue or a cache is called from far below the request and knows nothing of it. It
//! finds here how long waiting is of any use, and whom to name when somebody asks who holds what.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::journal::{Journal, StepId};

thread_local! {
    static CURRENT: RefCell<Option<Work>> = const { RefCell::new(None) };
}

/// A piece of work that somebody waits for.
#[derive(Clone, Debug)]
pub struct Work {
    /// When nobody waits any longer. Whoever sets it also drops the work then.
    pub deadline: Instant,
    /// The route, for people: `GET /users/{id}`. A template, never what a client sent.
    pub name: Arc<str>,
    /// Where its steps are recorded, and its ids.
    journal: Option<Journal>,
    /// The step that it is a part of.
    parent: Option<StepId>,
}

impl Work {
    /// Work that nobody records.
    pub const fn new(deadline: Instant, name: Arc<str>) -> Self {
        Self { deadline, name, journal: None, parent: None }
    }

    /// Records its steps.
    #[must_use]
    pub fn recorded_in(self, journal: Journal) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Where its steps are recorded, and the ids of its request.
    pub const fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// Runs a future as a part of a step of the current work: its own steps are found below it.
    /// Without a step it is a part of what it was a part of before.
    pub async fn part_of<F: Future>(step: Option<StepId>, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _entered = step.map(EnteredPart::new);
            future.as_mut().poll(context)
        })
        .await
    }

    /// Where a step is recorded that begins now, and what it is a part of.
    pub(crate) fn with_recorder<T>(
        record: impl FnOnce(&Journal, Option<StepId>) -> T,
    ) -> Option<T> {
        CURRENT.with_borrow(|work| {
            let work = work.as_ref()?;
            Some(record(work.journal.as_ref()?, work.parent))
        })
    }

    /// Runs a future as this work: whatever it polls finds it with [`current`](Self::current).
    ///
    /// A task that the future spawns is not part of it. Costs two moves of it for each poll. A
    /// future that is large is better passed as `Pin<&mut _>`.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut work = Some(self);
        poll_fn(|context| {
            let _entered = Entered::new(&mut work);
            future.as_mut().poll(context)
        })
        .await
    }

    /// What is worked for now, if anybody has said so.
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// How long somebody still waits for what is worked for now; `None` when nobody has said.
    pub fn time_left() -> Option<Duration> {
        let deadline = CURRENT.with_borrow(|work| work.as_ref().map(|work| work.deadline));
        deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Swaps the work of the thread for as long as a poll takes, a panic included.
struct Entered<'a>(&'a mut Option<Work>);

impl<'a> Entered<'a> {
    fn new(work: &'a mut Option<Work>) -> Self {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, work));
        Self(work)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

/// Makes a step the parent of those that begin on this thread, as long as a poll takes.
struct EnteredPart {
    before: Option<StepId>,
}

impl EnteredPart {
    fn new(step: StepId) -> Self {
        Self { before: Self::replace(Some(step)) }
    }

    fn replace(parent: Option<StepId>) -> Option<StepId> {
        CURRENT.with_borrow_mut(|work| std::mem::replace(&mut work.as_mut()?.parent, parent))
    }
}

impl Drop for EnteredPart {
    fn drop(&mut self) {
        Self::replace(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn work(name: &str, left: Duration) -> Work {
        Work::new(Instant::now() + left, name.into())
    }

    fn name() -> Option<String> {
        Work::current().map(|work| work.name.to_string())
    }

    /// Polls once.
    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn work_is_known_inside_its_scope_and_nowhere_else() {
        assert_eq!((name(), Work::time_left()), (None, None));
        let inner = async { name() };
        let outer = async {
            let within = work("inner", Duration::from_mins(1)).scope(inner).await;
            (within, name())
        };
        let found = poll(work("outer", Duration::from_mins(1)).scope(outer));
        let expected = (Some("inner".to_owned()), Some("outer".to_owned()));
        assert_eq!(found, Poll::Ready(expected));
        assert_eq!(name(), None);
    }

    #[test]
    fn two_futures_that_take_turns_on_a_thread_keep_their_own() {
        let turn = |wanted: &'static str| {
            let looks = async move {
                let mut polls = 0;
                poll_fn(move |_| {
                    assert_eq!(name().as_deref(), Some(wanted));
                    polls += 1;
                    if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
            };
            Box::pin(work(wanted, Duration::from_mins(1)).scope(looks))
        };
        let (mut one, mut two) = (turn("one"), turn("two"));
        for _ in 0..2 {
            assert_eq!((poll(one.as_mut()), poll(two.as_mut())), (Poll::Pending, Poll::Pending));
        }
        assert_eq!((poll(one), poll(two)), (Poll::Ready(()), Poll::Ready(())));
    }

    #[test]
    fn a_panic_leaves_no_work_behind() {
        let panics = work("it", Duration::ZERO).scope(async { panic!("on purpose") });
        let caught = catch_unwind(AssertUnwindSafe(|| poll::<_>(panics)));
        assert!(caught.is_err());
        assert_eq!(name(), None);
    }

    #[test]
    fn no_time_is_left_after_the_deadline() {
        let left = poll(work("late", Duration::ZERO).scope(async { Work::time_left() }));
        assert_eq!(left, Poll::Ready(Some(Duration::ZERO)));
    }
}
