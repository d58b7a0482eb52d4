//! Requests, counted as they end.
//!
//! Every way in which a request can end is known when the edge is built, so each has its place from
//! the start: counting finds it and adds to it, without a lock and without an allocation, and
//! nobody can send anything that makes a new one.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::fast::FixedState;
use mainstay_core::{Histogram, RequestLine, RequestLog};
use mainstay_web::{Edge, edge::Outcomes};

use super::{Collect, Family, Label, Page};

/// From a cached answer to the default deadline. Each of the usual objectives (100 ms, 250 ms,
/// 500 ms, 1 s) is a bound, so that it is counted and not estimated; in between a quantile is off
/// by a factor of 2.5 at most. The text formats have no native histograms.
pub(crate) const BOUNDS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

const REQUESTS: Family = Family::counter(
    "mainstay_requests_total",
    "Requests answered, by route, method, status and error code; the route is `-` when none \
     matched, and the status 499 when the client went away first",
);
const DURATION: Family = Family::histogram(
    "mainstay_request_duration_seconds",
    "Time from the arrival of a request's head to the head of its answer",
);
const IN_FLIGHT: Family = Family::gauge(
    "mainstay_requests_in_flight",
    "Requests whose head has arrived, and whose answer has not begun to leave",
);
const BYTES_IN: Family = Family::counter(
    "mainstay_request_body_bytes_total",
    "Bytes of request bodies, announced or read",
);
const BYTES_OUT: Family =
    Family::counter("mainstay_response_body_bytes_total", "Bytes of the bodies of answers");
const UNDECLARED: Family = Family::counter(
    "mainstay_undeclared_answers_total",
    "Answers that their endpoint had not declared, each replaced by an internal error",
);

/// The method's series for what has no series of its own.
const OTHER: &str = "other";

/// Counts request lines.
pub(crate) struct Meter {
    /// The edge is built around it, so its routes are known a moment later.
    routes: OnceLock<HashMap<&'static str, Vec<Series>, FixedState>>,
}

/// The requests for one route and method.
struct Series {
    route: &'static str,
    method: &'static str,
    is_declared: bool,
    /// In the order of the outcomes.
    ends: Vec<End>,
    /// Ended as no outcome says.
    other: AtomicU64,
    duration: Histogram,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

struct End {
    status: u16,
    code: Option<&'static str>,
    count: AtomicU64,
}

impl Meter {
    /// Counts nothing until it knows the routes.
    pub(crate) fn new() -> Self {
        Self { routes: OnceLock::new() }
    }

    /// Makes a place for every outcome of the edge.
    pub(crate) fn prepare(&self, edge: &Edge) {
        self.routes.get_or_init(|| {
            let mut routes = HashMap::<_, Vec<Series>, _>::default();
            for outcomes in edge.outcomes() {
                routes.entry(outcomes.route).or_default().push(Series::new(&outcomes));
            }
            routes
        });
    }

    /// By route and method.
    fn series(&self) -> Vec<&Series> {
        let mut series: Vec<_> =
            self.routes.get().into_iter().flat_map(HashMap::values).flatten().collect();
        series.sort_by_key(|series| (series.route, series.method));
        // What matched no route has a place for every method, and few of them are ever used.
        series.retain(|series| series.is_declared || series.is_used());
        series
    }
}

impl RequestLog for Meter {
    fn record(&self, line: &RequestLine<'_>) {
        let of_route = self.routes.get().and_then(|routes| routes.get(line.route));
        if let Some(series) = of_route.and_then(|of_route| find(of_route, line.method)) {
            series.record(line);
        }
    }
}

/// `HEAD` is answered by the endpoint for `GET`, and any method by a raw router.
fn find<'s>(of_route: &'s [Series], method: &str) -> Option<&'s Series> {
    let named = |name: &str| of_route.iter().find(|series| series.method == name);
    named(method)
        .or_else(|| (method == "HEAD").then(|| named("GET")).flatten())
        .or_else(|| named("*"))
}

impl Series {
    fn new(outcomes: &Outcomes) -> Self {
        let end = |(status, code): &(u16, Option<mainstay_core::Code>)| End {
            status: *status,
            code: code.map(|code| code.name),
            count: AtomicU64::new(0),
        };
        Self {
            route: outcomes.route,
            method: outcomes.method,
            is_declared: outcomes.is_declared,
            ends: outcomes.statuses.iter().map(end).collect(),
            other: AtomicU64::new(0),
            duration: Histogram::new(&BOUNDS),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    fn record(&self, line: &RequestLine<'_>) {
        let code = line.code.map(|code| code.name);
        let end = self.ends.iter().find(|end| end.status == line.status && end.code == code);
        end.map_or(&self.other, |end| &end.count).fetch_add(1, Ordering::Relaxed);
        self.duration.observe(line.duration);
        // Most requests have no body, and a look is cheaper than a write that others see.
        for (sum, bytes) in [(&self.bytes_in, line.bytes_in), (&self.bytes_out, line.bytes_out)] {
            if bytes > 0 {
                sum.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    fn is_used(&self) -> bool {
        self.duration.read().counts.iter().any(|count| *count > 0)
    }

    fn labels(&self) -> [(&'static str, Label); 2] {
        [("route", self.route.into()), ("method", self.method.into())]
    }

    /// `(status, code, count)` of every end that is declared or has happened: a rate needs the zero
    /// before the first time.
    fn counts(&self) -> impl Iterator<Item = (Label, &'static str, u64)> {
        let ends = self.ends.iter().map(|end| {
            let count = end.count.load(Ordering::Relaxed);
            (Label::Number(end.status), end.code.unwrap_or_default(), count)
        });
        let other = (OTHER.into(), "", self.other.load(Ordering::Relaxed));
        let ends = ends.filter(|(_, _, count)| self.is_declared || *count > 0);
        ends.chain([other].into_iter().filter(|(_, _, count)| *count > 0))
    }
}

/// Writes what a [`Meter`] has counted, and what the edge counts itself.
pub(crate) struct Requests {
    pub(crate) meter: Arc<Meter>,
    pub(crate) edge: Arc<Edge>,
}

impl Collect for Requests {
    fn collect(&self, page: &mut Page) {
        let series = self.meter.series();
        let mut samples = page.family(&REQUESTS);
        for series in &series {
            let [route, method] = series.labels();
            for (status, code, count) in series.counts() {
                let labels = [route, method, ("status", status), ("code", code.into())];
                // A label without a value is no label.
                let labels = if code.is_empty() { &labels[..3] } else { &labels[..] };
                samples.sample(labels, count);
            }
        }
        let mut samples = page.family(&DURATION);
        for series in &series {
            samples.distribution(&series.labels(), &series.duration.read());
        }
        let mut samples = page.family(&BYTES_IN);
        for series in &series {
            samples.sample(&series.labels(), series.bytes_in.load(Ordering::Relaxed));
        }
        let mut samples = page.family(&BYTES_OUT);
        for series in &series {
            samples.sample(&series.labels(), series.bytes_out.load(Ordering::Relaxed));
        }
        page.family(&IN_FLIGHT).value(self.edge.in_flight());
        page.family(&UNDECLARED).value(self.edge.breaches());
    }
}

#[cfg(test)]
mod tests;
