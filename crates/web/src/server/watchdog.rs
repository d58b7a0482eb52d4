//! Drives one connection and ends it when it takes too long.
//!
//! hyper's own `header_read_timeout` is not used. It runs while a connection is idle too, so one
//! figure would have to serve both; and it makes and registers a timer for each request. Here one
//! timer serves the connection's whole life: it is moved only when a nearer deadline appears, and
//! when it fires without cause it is set to the true one.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use super::exchange::{Activity, Doing, Progress};

/// How long a connection may do what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) head: Duration,
    pub(super) send: Duration,
    /// For the last words of an idle connection that has been asked to close.
    pub(super) farewell: Duration,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ending {
    /// The protocol ended, or failed: the client has left, or the last answer has been given.
    Finished,
    /// It was closed while nothing was going on.
    Idle,
    /// It was asked to close by the drain while nothing was going on.
    Drained,
    /// A head began and did not end.
    SlowHead,
    /// The client stopped reading.
    Stalled,
}

/// Runs `connection` to its end. When `drain` completes or the idle limit passes, `close` asks it
/// to finish what it is doing and take nothing more.
pub(super) async fn watch<C: Future + Unpin>(
    connection: &mut C,
    close: impl Fn(Pin<&mut C>),
    activity: &Activity,
    limits: Limits,
    drain: impl Future<Output = ()>,
    is_drained: impl Fn() -> bool,
) -> Ending {
    let mut drain = pin!(drain);
    // Timer and drain have been asked to wake this task, and asking again would cost more.
    let mut asked: Option<Waker> = None;
    let timer = pin!(sleep(limits.idle));
    let mut deadline = Deadline::new(activity, limits, timer);
    let mut closing = None;
    poll_fn(|cx| {
        loop {
            if Pin::new(&mut *connection).poll(cx).is_ready() {
                return Poll::Ready(closing.take().unwrap_or(Ending::Finished));
            }
            let is_asked = asked.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            let may_drain = !deadline.farewell && (!is_asked || is_drained());
            if may_drain && drain.as_mut().poll(cx).is_ready() {
                closing = deadline.is_idle().then_some(Ending::Drained);
                deadline.say_farewell();
                close(Pin::new(&mut *connection));
                continue;
            }
            let passed = deadline.poll_passed(cx, is_asked);
            if passed.is_ready() {
                // A timer that has fired has forgotten whom to wake.
                asked = None;
            } else if !is_asked {
                asked = Some(cx.waker().clone());
            }
            match ready!(passed) {
                Doing::Head => return Poll::Ready(Ending::SlowHead),
                Doing::Sending => return Poll::Ready(Ending::Stalled),
                Doing::Idle | Doing::Working if deadline.farewell => {
                    return Poll::Ready(closing.take().unwrap_or(Ending::Drained));
                }
                Doing::Idle | Doing::Working => {
                    closing = Some(Ending::Idle);
                    deadline.say_farewell();
                    close(Pin::new(&mut *connection));
                }
            }
        }
    })
    .await
}

/// The moment at which what a connection does will have taken too long.
struct Deadline<'a> {
    activity: &'a Activity,
    limits: Limits,
    timer: Pin<&'a mut Sleep>,
    seen: Progress,
    since: Instant,
    farewell: bool,
}

impl<'a> Deadline<'a> {
    fn new(activity: &'a Activity, limits: Limits, timer: Pin<&'a mut Sleep>) -> Self {
        let seen = activity.progress();
        Self { activity, limits, timer, seen, since: Instant::now(), farewell: false }
    }

    fn is_idle(&self) -> bool {
        self.activity.progress().doing == Doing::Idle
    }

    /// From now on idleness is granted only the time to say goodbye.
    fn say_farewell(&mut self) {
        self.farewell = true;
        self.restart();
    }

    fn restart(&mut self) {
        self.seen = self.activity.progress();
        if self.seen.doing == Doing::Working {
            return;
        }
        self.since = Instant::now();
        if let Some(at) = self.at().filter(|at| *at < self.timer.deadline()) {
            self.timer.as_mut().reset(at);
        }
    }

    /// `None` for work: how long that takes is for the service to say.
    fn at(&self) -> Option<Instant> {
        let limit = match self.seen.doing {
            Doing::Working => return None,
            Doing::Idle if self.farewell => self.limits.farewell,
            Doing::Idle => self.limits.idle,
            Doing::Head => self.limits.head,
            Doing::Sending => self.limits.send,
        };
        Some(self.since + limit)
    }

    /// `is_asked`: the timer will wake this task when it fires.
    fn poll_passed(&mut self, cx: &mut Context<'_>, is_asked: bool) -> Poll<Doing> {
        if self.activity.progress() != self.seen {
            self.restart();
        }
        if is_asked && !self.timer.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            match self.at() {
                Some(at) if at <= now => return Poll::Ready(self.seen.doing),
                Some(at) => self.timer.as_mut().reset(at),
                None => self.timer.as_mut().reset(now + self.limits.idle),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{sync::mpsc, task::JoinHandle};

    use super::{super::Shutdown, *};

    const SECOND: Duration = Duration::from_secs(1);

    const LIMITS: Limits =
        Limits { idle: Duration::from_secs(10), head: SECOND, send: SECOND, farewell: SECOND };

    /// A connection that does not end, in a task of its own: that of a test is woken by other
    /// things too.
    struct Watched {
        activity: Arc<Activity>,
        /// Wakes it.
        bytes: mpsc::UnboundedSender<()>,
        ended: JoinHandle<(Ending, u64)>,
    }

    impl Watched {
        /// It is drained after so many seconds.
        fn drained_after(seconds: u32) -> Self {
            let activity = Arc::new(Activity::new(Shutdown::new()));
            let (bytes, mut received) = mpsc::unbounded_channel();
            let watched = activity.clone();
            let ended = tokio::spawn(async move {
                let begun = Instant::now();
                let mut connection = Box::pin(async {
                    while received.recv().await.is_some() {}
                    std::future::pending::<()>().await;
                });
                let drained = begun + SECOND * seconds;
                let (drain, is_drained) =
                    (tokio::time::sleep_until(drained), || Instant::now() >= drained);
                let ending = watch(&mut connection, |_| {}, &watched, LIMITS, drain, is_drained);
                (ending.await, begun.elapsed().as_secs())
            });
            Self { activity, bytes, ended }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_that_does_not_say_goodbye_is_left() {
        let (ending, after) = Watched::drained_after(60).ended.await.expect("no panic");
        assert!(matches!(ending, Ending::Idle) && after == 11, "{ending:?} {after}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_wakes_an_idle_connection() {
        let (ending, after) = Watched::drained_after(3).ended.await.expect("no panic");
        assert!(matches!(ending, Ending::Drained) && after == 4, "{ending:?} {after}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_is_cut_at_its_own_time() {
        let Watched { activity, bytes, ended } = Watched::drained_after(60);
        sleep(SECOND * 5).await;
        // From here on the timer alone wakes it, which has been set anew.
        activity.enter_head();
        bytes.send(()).expect("it is there");
        let (ending, after) = ended.await.expect("no panic");
        assert!(matches!(ending, Ending::SlowHead) && after == 6, "{ending:?} {after}");
    }
}
