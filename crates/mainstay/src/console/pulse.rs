//! The pulse: what was measured in each of the last seconds, and who watches.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mainstay_core::{Clock, Timestamp};
use mainstay_web::server::Shutdown;
use tokio::{sync::broadcast, time::MissedTickBehavior};

use super::{
    sampler::{Sample, Sampler},
    tail::Budget,
};
use crate::metrics::{Format, Published};

const INTERVAL: Duration = Duration::from_secs(1);

/// Beats that are kept, so that a page that has just been opened shows how it came to this: five
/// minutes. A beat of a busy service of thirty endpoints has some 3 KB, so this is a megabyte.
const BEATS_KEPT: usize = 300;

/// Pages that may be open at once. Each takes a connection and its place in the channel.
const WATCHERS_MAX: usize = 16;

/// Events that a slow watcher may be late by, some three seconds of them; then the oldest are
/// skipped. They are shared, so more watchers need no more memory.
const EVENTS_WAITING_MAX: usize = 256;

/// What is known of the last minutes, and the way to whoever watches.
pub(super) struct Pulse {
    memory: Mutex<Memory>,
    events: broadcast::Sender<Bytes>,
    /// A look at this is all that a request costs while nobody watches.
    watched: AtomicBool,
    pub(super) budget: Budget,
    ended: Shutdown,
}

#[derive(Default)]
struct Memory {
    /// Names of series; the place is the number that beats use.
    names: Vec<String>,
    /// Ready to send.
    beats: VecDeque<Bytes>,
    count: u64,
}

/// Somebody who watches.
pub(super) struct Watcher {
    /// What is to be sent first.
    pub(super) backlog: VecDeque<Bytes>,
    pub(super) events: broadcast::Receiver<Bytes>,
    pub(super) ended: Shutdown,
}

/// So many pages are open that there is no place for another.
#[derive(Debug)]
pub(super) struct Crowded;

impl Default for Pulse {
    fn default() -> Self {
        Self {
            memory: Mutex::default(),
            events: broadcast::Sender::new(EVENTS_WAITING_MAX),
            watched: AtomicBool::new(false),
            budget: Budget::default(),
            ended: Shutdown::new(),
        }
    }
}

impl Pulse {
    /// Everything that is kept, and from there on what comes.
    pub(super) fn watch(&self) -> Result<Watcher, Crowded> {
        // Under this lock no beat is sent, so none is missed and none comes twice.
        let memory = self.memory();
        if self.events.receiver_count() >= WATCHERS_MAX {
            return Err(Crowded);
        }
        let events = self.events.subscribe();
        self.watched.store(true, Ordering::Relaxed);
        let mut backlog = VecDeque::with_capacity(memory.beats.len() + 1);
        backlog.push_back(series(0, &memory.names));
        backlog.extend(memory.beats.iter().cloned());
        Ok(Watcher { backlog, events, ended: self.ended.clone() })
    }

    /// Whether anybody watches, or did a second ago.
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// Sends an event to whoever watches.
    pub(super) fn send(&self, event: Bytes) {
        // Nobody may be there any more.
        let _ = self.events.send(event);
    }

    /// Ends every stream.
    pub(super) fn end(&self) {
        self.ended.trigger();
    }

    fn record(&self, at: Timestamp, sample: Sample) {
        let left_out = self.budget.renew();
        let mut memory = self.memory();
        let Sample { names, values } = sample;
        if !names.is_empty() {
            self.send(series(memory.names.len(), &names));
            memory.names.extend(names);
        }
        memory.count += 1;
        let beat = event("beat", &beat_json(memory.count, at, left_out, &values));
        if memory.beats.len() == BEATS_KEPT {
            memory.beats.pop_front();
        }
        memory.beats.push_back(beat.clone());
        self.send(beat);
        self.watched.store(self.events.receiver_count() > 0, Ordering::Relaxed);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the metrics every second, without an end.
pub(super) async fn beat(pulse: Arc<Pulse>, metrics: Published, clock: Arc<dyn Clock>) {
    let mut sampler = Sampler::default();
    let mut ticks = tokio::time::interval(INTERVAL);
    // Two readings in a row would show a second without anything in it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(registry) = metrics.get() {
            let sample = sampler.read(&registry.scrape(Format::Text));
            pulse.record(clock.now(), sample);
        }
    }
}

/// One event of the stream (HTML Living Standard, section 9.2). JSON has no line breaks in it.
pub(super) fn event(kind: &str, json: &str) -> Bytes {
    format!("event: {kind}\ndata: {json}\n\n").into()
}

fn series(from: usize, names: &[String]) -> Bytes {
    event("series", &serde_json::json!({ "from": from, "names": names }).to_string())
}

/// Numbers and values alternate: half of the bytes that pairs would take.
fn beat_json(count: u64, at: Timestamp, left_out: u64, values: &[(usize, f64)]) -> String {
    let at = at.as_millisecond();
    let mut json = format!("{{\"count\":{count},\"at\":{at},\"left_out\":{left_out},\"values\":[");
    for (place, (number, value)) in values.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        // Writing to a `String` cannot fail; finite numbers are displayed as JSON writes them.
        let _ = write!(json, "{comma}{number},{value}");
    }
    json.push_str("]}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(names: &[&str], values: &[(usize, f64)]) -> Sample {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Sample { names, values: values.to_vec() }
    }

    fn text(event: &Bytes) -> &str {
        std::str::from_utf8(event).expect("text")
    }

    #[test]
    fn who_comes_late_is_told_what_was_and_then_what_is() {
        let pulse = Pulse::default();
        pulse.record(Timestamp::UNIX_EPOCH, sample(&["a", "b"], &[(0, 1.0), (1, 0.25)]));
        let mut watcher = pulse.watch().expect("a place");
        let told: Vec<_> = watcher.backlog.iter().map(text).collect();
        assert_eq!(
            told,
            [
                "event: series\ndata: {\"from\":0,\"names\":[\"a\",\"b\"]}\n\n",
                concat!(
                    "event: beat\n",
                    "data: {\"count\":1,\"at\":0,\"left_out\":0,\"values\":[0,1,1,0.25]}\n\n",
                ),
            ]
        );
        pulse.record(Timestamp::UNIX_EPOCH, sample(&["c"], &[]));
        let next = watcher.events.try_recv().expect("the new series");
        assert_eq!(text(&next), "event: series\ndata: {\"from\":2,\"names\":[\"c\"]}\n\n");
        let next = watcher.events.try_recv().expect("a beat");
        assert!(text(&next).contains("\"count\":2,"), "{next:?}");
    }

    #[test]
    fn five_minutes_are_kept_however_long_it_runs() {
        let pulse = Pulse::default();
        for _ in 0..BEATS_KEPT + 7 {
            pulse.record(Timestamp::UNIX_EPOCH, sample(&[], &[]));
        }
        let watcher = pulse.watch().expect("a place");
        assert_eq!(watcher.backlog.len(), 1 + BEATS_KEPT);
        assert!(text(&watcher.backlog[1]).contains("\"count\":8,"), "the oldest are forgotten");
    }

    #[test]
    fn there_are_as_many_places_as_there_are_and_one_that_is_left_is_free_again() {
        let pulse = Pulse::default();
        let mut watchers: Vec<_> = (0..WATCHERS_MAX).map(|_| pulse.watch()).collect();
        assert!(watchers.iter().all(Result::is_ok) && pulse.watch().is_err());
        watchers.pop();
        assert!(pulse.watch().is_ok());
    }

    #[test]
    fn nobody_watches_a_second_after_the_last_one_has_gone() {
        let pulse = Pulse::default();
        assert!(!pulse.is_watched());
        let watcher = pulse.watch();
        assert!(pulse.is_watched());
        drop(watcher);
        pulse.record(Timestamp::UNIX_EPOCH, sample(&[], &[]));
        assert!(!pulse.is_watched());
    }
}
