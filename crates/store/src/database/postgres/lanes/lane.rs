//! One lane: its connection, what is under way on it, and how much that may be.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::database::postgres::connection::Connection;

/// For how long the server may be at one statement, beyond the way there and back, until its lane
/// gets no new work while another is free. Taste: some hundred times what a statement on indexed
/// data takes.
pub(super) const SLOW: Duration = Duration::from_millis(10);

/// How many statements a lane takes before it has shown that it is quick. Taste: little to lose
/// behind a slow one, and sixty quick answers later it is at its full depth.
const WINDOW_START: usize = 2;

/// Up to how many statements on a lane one more joins those that are about to be sent, so that they
/// share a write. Beyond that lanes work side by side. Measured with four lanes and 64 callers: up
/// to 16, a client that does nothing else takes a third less CPU for each statement, and the
/// reference service, which is asked by 64 at once, one percent more for each request.
const TOGETHER: usize = 32;

/// A lane. Statements are answered in the order in which they were sent.
pub(super) struct Lane {
    state: Mutex<State>,
    /// Held by who opens the lane's connection.
    pub(super) opening: Arc<tokio::sync::Mutex<()>>,
    /// Held by who sends, so that the order of the places is the one on the wire.
    sending: Mutex<()>,
    /// Told of every place that comes free.
    freed: Arc<Notify>,
    depth_max: usize,
}

struct State {
    connection: Option<Arc<Connection>>,
    /// The statements under way and when each was sent, oldest first.
    sent: VecDeque<(u64, Instant)>,
    /// When the last answer came.
    answered: Option<Instant>,
    /// The number of the next place.
    next: u64,
    /// How many statements may be under way: one more with every quick answer, half with every slow
    /// one, as TCP does it (RFC 5681). Who is behind a slow statement waits for it, and so few
    /// should be.
    window: usize,
}

/// A lane as it is at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// For how long the server has been at the oldest statement, if that is too long.
    pub(super) slow_for: Option<Duration>,
    /// Its connection has ended, or never was.
    pub(super) is_down: bool,
    /// Whether one more would leave with others, in one write.
    pub(super) is_about_to_send: bool,
    /// How many statements are under way.
    pub(super) load: usize,
    /// Whether one more may be.
    pub(super) has_room: bool,
    /// As of when it knows everything, if it follows another server.
    pub(super) fresh_as_of: Option<Instant>,
}

impl State {
    /// For how long the server has been at the oldest statement. What is queued behind others waits
    /// for them, and is not slow itself.
    fn busy_since(&self) -> Option<Instant> {
        let (_, oldest) = self.sent.front()?;
        Some(*oldest).max(self.answered)
    }

    fn remove(&mut self, number: u64) {
        let Some((first, _)) = self.sent.front() else { return };
        // Mostly numbers follow each other.
        let at = number.wrapping_sub(*first) as usize;
        let is_it = |(known, _): &(u64, Instant)| *known == number;
        let is_there = self.sent.get(at).is_some_and(is_it);
        if let Some(at) = if is_there { Some(at) } else { self.sent.iter().position(is_it) } {
            self.sent.remove(at);
        }
    }

    /// From when on a statement is slow.
    fn slow_after(&self) -> Duration {
        self.connection.as_ref().map_or(SLOW, |connection| SLOW + connection.round_trip())
    }
}

impl Lane {
    pub(super) fn new(depth_max: usize, freed: Arc<Notify>) -> Self {
        let state = State {
            connection: None,
            sent: VecDeque::new(),
            answered: None,
            next: 0,
            window: WINDOW_START.min(depth_max),
        };
        let state = Mutex::new(state);
        Self { state, opening: Arc::default(), sending: Mutex::default(), freed, depth_max }
    }

    pub(super) fn look(&self, now: Instant) -> Look {
        let state = self.state();
        let connection = state.connection.as_ref();
        let is_about_to_send = connection.is_some_and(|connection| connection.is_about_to_send());
        let busy = state.busy_since().map(|since| now.saturating_duration_since(since));
        Look {
            slow_for: busy.filter(|busy| *busy > state.slow_after()),
            is_down: connection.is_none_or(|connection| !connection.is_open()),
            is_about_to_send: is_about_to_send && state.sent.len() < state.window.min(TOGETHER),
            load: state.sent.len(),
            has_room: state.sent.len() < state.window,
            fresh_as_of: connection.and_then(|connection| connection.fresh_as_of()),
        }
    }

    /// Takes a place at the end.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Place {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.sent.push_back((number, now));
        Place { lane: self.clone(), number, entered: now, answered: None }
    }

    /// The connection, if it is acceptable.
    pub(super) fn connection(&self, accept: fn(&Connection) -> bool) -> Option<Arc<Connection>> {
        self.state().connection.clone().filter(|connection| accept(connection))
    }

    /// Puts another connection in the place of the one there was. What is under way on that one
    /// keeps it open until it is answered.
    pub(super) fn replace(&self, connection: Option<Arc<Connection>>) -> Option<Arc<Connection>> {
        std::mem::replace(&mut self.state().connection, connection)
    }

    /// Takes the connection away if the server has been at its oldest statement for this long.
    pub(super) fn take_stuck(&self, after: Duration) -> Option<Arc<Connection>> {
        let mut state = self.state();
        let is_stuck = state.busy_since().is_some_and(|since| since.elapsed() > after);
        if is_stuck { state.connection.take() } else { None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().sent.is_empty()
    }

    /// No code of a caller runs under the lock, so a poisoned state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place on a lane, from before the statement is sent to its answer.
pub(super) struct Place {
    pub(super) lane: Arc<Lane>,
    number: u64,
    /// Since when it has been taken.
    pub(super) entered: Instant,
    answered: Option<Instant>,
}

impl Place {
    /// Takes note of an answer that has come now, and returns how long the server was at it.
    pub(super) fn answered(&mut self, now: Instant) -> Duration {
        self.answered = Some(now);
        let mut state = self.lane.state();
        let since = state.busy_since();
        let took = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        state.window = if took > state.slow_after() {
            (state.window / 2).max(1)
        } else {
            (state.window + 1).min(self.lane.depth_max)
        };
        took
    }

    /// To find out later what has become of it.
    pub(super) fn watch(&self) -> Watch {
        Watch { lane: self.lane.clone(), number: self.number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.lane.state();
        state.remove(self.number);
        state.answered = Some(self.answered.unwrap_or_else(Instant::now));
        drop(state);
        self.lane.freed.notify_one();
    }
}

/// A look at somebody's place.
#[derive(Clone)]
pub(super) struct Watch {
    lane: Arc<Lane>,
    number: u64,
}

impl Watch {
    /// Sends the statement now, by `send`, behind everything that was sent before. The place may
    /// have been taken while the statement had yet to be prepared.
    pub(super) fn send<R>(&self, now: Instant, send: impl FnOnce() -> R) -> R {
        let _sending = self.lane.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.lane.state();
        match state.sent.back_mut() {
            // Mostly the last: nobody has got a place since.
            Some((last, since)) if *last == self.number => *since = now,
            _ => {
                state.remove(self.number);
                state.sent.push_back((self.number, now));
            }
        }
        drop(state);
        send()
    }

    /// Whether the server is at this statement, and has been for longer than is usual.
    pub(super) fn is_slow(&self) -> bool {
        let state = self.lane.state();
        let is_oldest = state.sent.front().is_some_and(|(number, _)| *number == self.number);
        is_oldest && state.busy_since().is_some_and(|since| since.elapsed() > state.slow_after())
    }
}
