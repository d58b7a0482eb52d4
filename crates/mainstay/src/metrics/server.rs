//! The connections of the API's listener.

use std::sync::Arc;

use mainstay_web::server::{Counter, ServerStats};

use super::{Collect, Family, Page};

const OPEN: Family = Family::gauge("mainstay_connections_open", "Client connections open now");
const MAX: Family =
    Family::gauge("mainstay_connections_max", "Client connections that may be open at once");
const ACCEPTED: Family =
    Family::counter("mainstay_connections_accepted_total", "Client connections accepted");
const SATURATED: Family = Family::counter(
    "mainstay_connections_saturated_total",
    "Times that the limit of client connections was reached",
);
const ACCEPT_ERRORS: Family = Family::counter(
    "mainstay_connections_accept_errors_total",
    "Failed attempts to accept a client connection",
);
const CLOSED: Family = Family::counter(
    "mainstay_connections_closed_total",
    "Client connections that the server ended, by why: `silent` (sent nothing, or not enough), \
     `idle`, `slow_head`, `stalled` (stopped reading), `refused` (a head that cannot be read), \
     `aborted` at the end of a drain",
);
const PANICS: Family = Family::counter(
    "mainstay_connections_panicked_total",
    "Client connections that ended with a panic outside of any handler",
);

/// What the listener counts.
pub(crate) struct Connections {
    pub(crate) stats: Arc<ServerStats>,
    /// How many there may be.
    pub(crate) max: usize,
}

impl Collect for Connections {
    fn collect(&self, page: &mut Page) {
        let stats = &self.stats;
        page.family(&OPEN).value(stats.connections_open.get());
        page.family(&MAX).value(self.max);
        for (family, counter) in [
            (ACCEPTED, &stats.accepted_total),
            (SATURATED, &stats.saturated_total),
            (ACCEPT_ERRORS, &stats.accept_errors_total),
            (PANICS, &stats.panics_total),
        ] {
            page.family(&family).value(counter.get());
        }
        let reasons: [(&'static str, &Counter); 6] = [
            ("silent", &stats.silent_total),
            ("idle", &stats.idle_total),
            ("slow_head", &stats.slow_heads_total),
            ("stalled", &stats.stalled_total),
            ("refused", &stats.refused_total),
            ("aborted", &stats.aborted_total),
        ];
        let mut samples = page.family(&CLOSED);
        for (reason, counter) in reasons {
            samples.sample(&[("reason", reason.into())], counter.get());
        }
    }
}
