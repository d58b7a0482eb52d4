//! `Recorder`: keeps the requests that somebody will ask about, within a budget of memory.
//!
//! Each class has a share of its own, so that no flood of one pushes another out: refusals are what
//! an attacker makes as many of as they like. A share is not lent. What is neither a failure nor a
//! refusal and not among the slowest is looked at without a lock or an allocation.

use std::sync::{Arc, OnceLock};

use mainstay_core::{RequestLine, RequestLog, Timestamp, new_id};
use mainstay_web::Edge;

use super::{
    entry::{Entry, Wanted},
    error::NotKept,
    sample::Sample,
    shelf::Shelf,
    slowest::Slowest,
    wire::{Kept, Record},
};

/// Sixteenths of the budget, by class. Taste: what failed and what was slow is asked about most.
mod share {
    pub(super) const FAILED: usize = 6;
    /// Clients that went away are failures that clients can make: they have a share of their own.
    pub(super) const LEFT: usize = 1;
    pub(super) const REFUSED: usize = 2;
    pub(super) const SLOW: usize = 5;
    pub(super) const SAMPLED: usize = 2;
}

/// The status in request lines of a client that went away before its answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The most that one question is answered with. A trace id can be chosen by callers, who may give
/// all their requests the same.
pub(super) const RECORDS_MAX: usize = 100;

/// Who tells of a request.
#[derive(Debug)]
pub(super) struct Origin {
    /// Name and version of the service.
    pub(super) release: String,
    /// An id of this process alone.
    pub(super) instance: String,
}

/// What somebody wants to see; what is left open may be anything.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub(super) kept: Option<Kept>,
    pub(super) route: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) status: Option<u16>,
    pub(super) code: Option<&'a str>,
}

/// Keeps requests as they end.
#[derive(Debug)]
pub(crate) struct Recorder {
    origin: Origin,
    since: Timestamp,
    bytes_max: usize,
    failed: Shelf,
    left: Shelf,
    refused: Shelf,
    /// The edge is built around the recorder, so its routes are known a moment later.
    slowest: OnceLock<Slowest>,
    sample: Sample,
    sampled: Shelf,
}

impl Recorder {
    /// Of a process that starts now; with a budget of 0 it keeps nothing.
    pub(crate) fn new(bytes_max: usize, name: &str, version: &str, now: Timestamp) -> Self {
        let shelf = |share| Shelf::new(bytes_max / 16 * share);
        let release = format!("{name} {version}");
        Self {
            origin: Origin { release, instance: new_id(now).to_string() },
            since: now,
            bytes_max,
            failed: shelf(share::FAILED),
            left: shelf(share::LEFT),
            refused: shelf(share::REFUSED),
            slowest: OnceLock::new(),
            sample: Sample::default(),
            sampled: shelf(share::SAMPLED),
        }
    }

    /// Makes a place for every route and method of the edge.
    pub(crate) fn prepare(&self, edge: &Edge) {
        self.make_places(edge.outcomes().map(|outcomes| (outcomes.route, outcomes.method)));
    }

    pub(super) fn make_places(&self, ways: impl Iterator<Item = (&'static str, &'static str)>) {
        self.slowest.get_or_init(|| Slowest::new(self.bytes_max / 16 * share::SLOW, ways));
    }

    /// The latest requests with this id or in this trace, newest first.
    pub(super) fn find(&self, id: &str) -> Result<Vec<Record>, NotKept> {
        let wanted = Wanted::new(id);
        let all = self.entries(None);
        let found = self.told(all.iter().filter(|entry| entry.is(&wanted)), RECORDS_MAX);
        if !found.is_empty() {
            return Ok(found);
        }
        if self.bytes_max == 0 {
            return Err(NotKept::Off);
        }
        Err(NotKept::Unknown { count: all.len(), bytes_max: self.bytes_max, since: self.since })
    }

    /// The latest requests that pass the filter, newest first.
    pub(super) fn list(&self, filter: &Filter<'_>, limit: usize) -> Vec<Record> {
        let all = self.entries(filter.kept);
        self.told(all.iter().filter(|entry| filter.admits(entry)), limit)
    }

    fn told<'e>(&self, entries: impl Iterator<Item = &'e Arc<Entry>>, limit: usize) -> Vec<Record> {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.time));
        entries.iter().take(limit).map(|entry| entry.record(&self.origin)).collect()
    }

    /// All of a class, or of every class.
    fn entries(&self, kept: Option<Kept>) -> Vec<Arc<Entry>> {
        let mut entries = Vec::new();
        for (class, shelf) in [
            (Kept::Failure, &self.failed),
            (Kept::Failure, &self.left),
            (Kept::Refusal, &self.refused),
            (Kept::Sample, &self.sampled),
        ] {
            if kept.is_none_or(|kept| kept == class) {
                entries.extend(shelf.entries());
            }
        }
        if let Some(slowest) = self.slowest.get()
            && kept.is_none_or(|kept| kept == Kept::Slow)
        {
            entries.extend(slowest.entries());
        }
        entries
    }

    /// The memory of what is kept, counted anew.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let shelves = [&self.failed, &self.left, &self.refused, &self.sampled];
        let slowest = self.slowest.get().map_or(0, Slowest::bytes);
        shelves.iter().map(|shelf| shelf.bytes()).sum::<usize>() + slowest
    }
}

impl RequestLog for Recorder {
    fn record(&self, line: &RequestLine<'_>) {
        if self.bytes_max == 0 {
            return;
        }
        match line.status {
            CLIENT_CLOSED_REQUEST => self.left.put(Entry::new(line, Kept::Failure)),
            500.. => self.failed.put(Entry::new(line, Kept::Failure)),
            400.. => self.refused.put(Entry::new(line, Kept::Refusal)),
            _ => {
                let ended = line.time.as_millisecond().unsigned_abs();
                let ended = ended + line.duration.as_millis() as u64;
                let slowest = self.slowest.get();
                let is_slow = slowest.is_some_and(|slowest| slowest.put(line, ended));
                if !is_slow && self.sample.takes(ended) {
                    self.sampled.put(Entry::new(line, Kept::Sample));
                }
            }
        }
    }
}

impl Filter<'_> {
    fn admits(&self, entry: &Entry) -> bool {
        let code = entry.code.map(|code| code.name);
        self.route.is_none_or(|route| entry.route == route)
            && self.method.is_none_or(|method| entry.method == method)
            && self.status.is_none_or(|status| entry.status == status)
            && self.code.is_none_or(|wanted| code == Some(wanted))
    }
}
