//! The export of traces, where there is a collector.

use mainstay_web::edge::Sampler;

use super::{Collect, Family, Page, Value};
use crate::traces::{Exporter, Figures, Loss};

const EXPORTED: Family = Family::counter(
    "mainstay_spans_exported_total",
    "Spans that the collector of traces has taken",
);
const DROPPED: Family = Family::counter(
    "mainstay_spans_dropped_total",
    "Spans that were lost, by why: `queue_full`, `rejected` by the collector, or `unreachable`, \
     when none took them in time",
);
const FAILURES: Family = Family::counter(
    "mainstay_spans_attempts_failed_total",
    "Attempts to hand a batch of spans to the collector that failed",
);
const WAITING: Family =
    Family::gauge("mainstay_spans_waiting", "Spans that wait to be sent to the collector");
const UNHEEDED: Family = Family::counter(
    "mainstay_traces_unheeded_total",
    "Requests whose caller wanted a trace, beyond what is followed each second",
);

/// How the export does.
pub(crate) struct TraceExport {
    pub(crate) exporter: Option<Exporter>,
    pub(crate) sampler: Sampler,
}

impl Collect for TraceExport {
    fn collect(&self, page: &mut Page) {
        let figures = self.exporter.as_ref().map(Exporter::figures);
        one(page, &EXPORTED, figures.map(Figures::exported));
        let mut samples = page.family(&DROPPED);
        if let Some(figures) = figures {
            for why in Loss::ALL {
                samples.sample(&[("reason", why.as_str().into())], figures.dropped(why));
            }
        }
        one(page, &FAILURES, figures.map(Figures::failures));
        one(page, &WAITING, self.exporter.as_ref().map(Exporter::waiting));
        one(page, &UNHEEDED, figures.map(|_| self.sampler.unheeded()));
    }
}

/// A family with one sample, or with none where nothing is exported.
fn one(page: &mut Page, family: &Family, value: Option<impl Into<Value>>) {
    let mut samples = page.family(family);
    if let Some(value) = value {
        samples.value(value);
    }
}
