//! Who goes on which lane, and in which order they wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, Notify};

use super::lane::{Lane, Look, Place, SLOW};
use crate::{
    database::{DatabaseOptions, postgres::connector::Connector},
    error::{Cause, StoreError},
};

/// How long every lane has to be at something slow until nobody waits for one: a stumble of the
/// machine is over by then. Also when a statement counts as slow itself. Taste, as [`SLOW`].
pub(in crate::database::postgres) const HELD_UP: Duration = Duration::from_millis(25);

/// The lanes, and those who wait for a place.
pub(super) struct Queue {
    pub(super) lanes: Box<[Arc<Lane>]>,
    /// Held by the first of those who wait.
    turn: Mutex<()>,
    freed: Arc<Notify>,
    waiting: AtomicUsize,
}

/// Where a statement may go.
enum Choice {
    Lane(Place),
    /// Somewhere soon.
    Full,
    /// Nowhere soon.
    HeldUp,
}

impl Queue {
    pub(super) fn new(options: &DatabaseOptions) -> Self {
        let freed = Arc::new(Notify::new());
        let lane = |_| Arc::new(Lane::new(options.lane_depth, freed.clone()));
        Self {
            lanes: (0..options.lanes).map(lane).collect(),
            turn: Mutex::new(()),
            freed,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for a place, first come first served; `None` when the wait would be long and there is
    /// room elsewhere.
    pub(super) async fn place(
        &self,
        connector: &Connector,
        now: Instant,
        as_of: Option<Instant>,
        is_room_elsewhere: impl Fn() -> bool,
    ) -> Result<Option<Place>, StoreError> {
        if let Ok(_turn) = self.turn.try_lock() {
            match self.choose(connector, now, as_of) {
                Choice::Lane(place) => return Ok(Some(place)),
                Choice::HeldUp if is_room_elsewhere() => return Ok(None),
                Choice::HeldUp | Choice::Full => {}
            }
        }
        // Boxed, because few have to wait and every read would hold the place.
        Box::pin(self.wait(connector, as_of, is_room_elsewhere)).await
    }

    async fn wait(
        &self,
        connector: &Connector,
        as_of: Option<Instant>,
        is_room_elsewhere: impl Fn() -> bool,
    ) -> Result<Option<Place>, StoreError> {
        let options = &connector.options;
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= options.read_queue_max {
            return Err(StoreError::Overloaded(Cause::text("the queue is full")));
        }
        let choosing = async {
            let _turn = self.turn.lock().await;
            loop {
                match self.choose(connector, Instant::now(), as_of) {
                    Choice::Lane(place) => return Some(place),
                    Choice::HeldUp if is_room_elsewhere() => return None,
                    Choice::HeldUp | Choice::Full => {}
                }
                // Nobody tells when a lane becomes slow, or when there is room elsewhere.
                drop(tokio::time::timeout(SLOW, self.freed.notified()).await);
            }
        };
        let chosen = tokio::time::timeout(options.queue_wait_max, choosing).await;
        let late = |_| StoreError::Overloaded(Cause::text("the queue moves too slowly"));
        chosen.map_err(late)
    }

    /// Chooses the lane that is not held up and is connected: one that is about to send in any
    /// case, or has the least to do.
    fn choose(&self, connector: &Connector, now: Instant, as_of: Option<Instant>) -> Choice {
        let is_fresh = |look: &Look| as_of.is_none_or(|as_of| look.fresh_as_of >= Some(as_of));
        let is_cut_off = |look: &Look| look.is_down && connector.obstacle().is_some();
        let looks = self.lanes.iter().map(|lane| (lane.look(now), lane));
        let best = looks.filter(|(look, _)| is_fresh(look)).min_by_key(|(look, _)| {
            let is_held_up = look.slow_for.is_some() || is_cut_off(look);
            (is_held_up, look.is_down, !look.is_about_to_send, look.load)
        });
        match best {
            None => Choice::HeldUp,
            Some((look, _)) if look.slow_for.is_some_and(|time| time > HELD_UP) => Choice::HeldUp,
            Some((look, lane)) if look.slow_for.is_none() && look.has_room => {
                Choice::Lane(lane.enter(now))
            }
            Some(_) => Choice::Full,
        }
    }

    /// How many statements are under way, and how many wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let now = Instant::now();
        let under_way = self.lanes.iter().map(|lane| lane.look(now).load).sum();
        (under_way, self.waiting.load(Ordering::Relaxed))
    }

    /// Returns when everybody who waits now has been answered.
    pub(super) async fn emptied(&self) {
        // Behind everybody who waits already.
        let _turn = self.turn.lock().await;
        while !self.lanes.iter().all(|lane| lane.is_empty()) {
            // Two may end at once, and be told of as one.
            drop(tokio::time::timeout(SLOW, self.freed.notified()).await);
        }
    }
}

/// Counts somebody who waits.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { before: count.fetch_add(1, Ordering::Relaxed), count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
