//! Who counts requests against their limits, and whether it can.

use super::{Collect, Family, Page};

const KEYS: Family =
    Family::gauge("mainstay_limiter_keys", "Clients and principals that the limiter remembers");
const DECISIONS: Family = Family::counter(
    "mainstay_limiter_decisions_total",
    "Decisions of the limiter that processes share, by what they rest on: `lease`, \
     `remembered` refusal, `asked` Redis, or `alone`, by the outage mode, without Redis",
);
const FAILURES: Family = Family::counter(
    "mainstay_limiter_failures_total",
    "Questions of the limiter that Redis has not answered",
);

/// What a limiter counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimiterFigures {
    /// Keys in memory now.
    pub(crate) keys: usize,
    /// Of a limiter that processes share.
    pub(crate) shared: Option<SharedLimits>,
}

/// How the decisions of a limiter that processes share were come by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SharedLimits {
    /// By a lease.
    pub(crate) leased: u64,
    /// By a refusal that is remembered.
    pub(crate) remembered: u64,
    /// By Redis.
    pub(crate) asked: u64,
    /// Without it.
    pub(crate) alone: u64,
    /// Questions without an answer.
    pub(crate) failures: u64,
}

/// Reads the figures of whichever limiter there is.
pub(crate) struct LimiterLoad<F>(pub(crate) F);

impl<F: Fn() -> LimiterFigures + Send + Sync + 'static> Collect for LimiterLoad<F> {
    fn collect(&self, page: &mut Page) {
        let LimiterFigures { keys, shared } = (self.0)();
        page.family(&KEYS).value(keys);
        let mut samples = page.family(&DECISIONS);
        if let Some(shared) = shared {
            for (by, count) in [
                ("lease", shared.leased),
                ("remembered", shared.remembered),
                ("asked", shared.asked),
                ("alone", shared.alone),
            ] {
                samples.sample(&[("by", by.into())], count);
            }
        }
        let mut samples = page.family(&FAILURES);
        if let Some(shared) = shared {
            samples.value(shared.failures);
        }
    }
}
