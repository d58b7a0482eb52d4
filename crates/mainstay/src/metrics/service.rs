//! What runs here, and what of its log was lost.

use std::sync::Arc;

use mainstay_core::RequestLog;

use super::{Collect, Family, Page};

const BUILD: Family = Family::info("mainstay_build_info", "The service and its version");
const DROPPED: Family = Family::counter(
    "mainstay_log_dropped_lines_total",
    "Lines of the log that were lost because its output was too slow or failed",
);

/// Which service this is.
pub(crate) struct BuildInfo {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Collect for BuildInfo {
    fn collect(&self, page: &mut Page) {
        let framework = env!("CARGO_PKG_VERSION");
        let labels = [
            ("service", self.name.into()),
            ("version", self.version.into()),
            ("framework", framework.into()),
        ];
        page.family(&BUILD).sample(&labels, true);
    }
}

/// What the log has lost.
pub(crate) struct LogDrops(pub(crate) Arc<dyn RequestLog>);

impl Collect for LogDrops {
    fn collect(&self, page: &mut Page) {
        page.family(&DROPPED).value(self.0.dropped());
    }
}
