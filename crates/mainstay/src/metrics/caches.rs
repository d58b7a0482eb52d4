//! The caches, by name, and whether what they hold may be served.

use mainstay_store::{CacheStats, Caches};

use super::{Collect, Family, Page};

const TRUSTED: Family = Family::gauge(
    "mainstay_caches_trusted",
    "1 while invalidations are certain to arrive; at 0 a value is read again after 100 ms",
);
const LAPSES: Family =
    Family::counter("mainstay_caches_lapses_total", "Times that this certainty was lost");
const NOTICES: Family =
    Family::counter("mainstay_caches_notices_total", "Invalidations that arrived from Redis");
const SILENCE: Family = Family::gauge(
    "mainstay_caches_silence_seconds",
    "Time since Redis was last heard: how late an invalidation may be, at most",
);
const DEBTS: Family =
    Family::gauge("mainstay_caches_debts", "Writes that other processes have not been told of yet");
const LOOKUPS: Family = Family::counter(
    "mainstay_cache_lookups_total",
    "Reads through a cache, by what answered them: `memory`, `stale` memory after its time, \
     `shared` from Redis, `waited` for somebody else's load, or `bypassed` it, as within a \
     transaction; the others are loads",
);
const NEGATIVE: Family = Family::counter(
    "mainstay_cache_negative_total",
    "Reads that a cache answered with `there is none`",
);
const LOADS: Family =
    Family::counter("mainstay_cache_loads_total", "Values that were read anew, or not: `failed`");
const IN_VAIN: Family = Family::counter(
    "mainstay_cache_waits_in_vain_total",
    "Callers that waited too long for somebody else's load, and loaded for themselves",
);
const NOT_KEPT: Family = Family::counter(
    "mainstay_cache_not_kept_total",
    "Values that were read and not kept: written meanwhile, or too large",
);

/// One of the counts of a cache.
type Count = fn(&CacheStats) -> u64;

/// What the caches of a process count.
pub(crate) struct SharedCaches(pub(crate) Caches);

impl Collect for SharedCaches {
    fn collect(&self, page: &mut Page) {
        let state = self.0.state();
        page.family(&TRUSTED).value(state.is_trusted);
        page.family(&LAPSES).value(state.lapses);
        page.family(&NOTICES).value(state.notices);
        page.family(&SILENCE).value(state.silence);
        page.family(&DEBTS).value(state.debts);
        let all = self.0.stats();
        let mut each = |family: &Family, kinds: &[(&'static str, Count)]| {
            let mut samples = page.family(family);
            for (name, stats) in &all {
                for (kind, read) in kinds {
                    let labels = [("cache", (*name).into()), ("result", (*kind).into())];
                    let labels = if kind.is_empty() { &labels[..1] } else { &labels[..] };
                    samples.sample(labels, read(stats));
                }
            }
        };
        each(
            &LOOKUPS,
            &[
                ("memory", |stats| stats.hits),
                ("stale", |stats| stats.stale),
                ("shared", |stats| stats.shared_hits),
                ("waited", |stats| stats.waits),
                ("bypassed", |stats| stats.bypasses),
            ],
        );
        each(&NEGATIVE, &[("", |stats| stats.negative_hits)]);
        each(
            &LOADS,
            &[
                ("loaded", |stats| stats.loads.saturating_sub(stats.failures)),
                ("failed", |stats| stats.failures),
            ],
        );
        each(&IN_VAIN, &[("", |stats| stats.waits_in_vain)]);
        each(&NOT_KEPT, &[("", |stats| stats.refusals)]);
    }
}
