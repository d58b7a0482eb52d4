//! The reference of all metrics, for `docs/metrics.md` and for a terminal.

use std::fmt::Write as _;

use super::Registry;

const HEAD: &str = "# Metrics\n\n\
    `GET /metrics` on the operators' listener: Prometheus' text format, or OpenMetrics for who \
    accepts that.\n\
    Everything is counted since the start of the process, and read when it is asked for. Labels \
    hold names\n\
    from the source and nothing that a caller sent, so the page does not grow with traffic. The \
    metrics of\n\
    the engine that is not in use have no samples.\n\
    [Operations](operations.md#metrics) says what to do with them; `ops/` has a dashboard and \
    alerts.\n\
    This page is generated (`metrics --markdown`) and a test compares it.\n\n\
    | metric | kind | meaning |\n|---|---|---|\n";

impl Registry {
    /// A table of every metric.
    pub(crate) fn markdown(&self) -> String {
        let mut page = HEAD.to_owned();
        for family in self.families() {
            let (kind, help) = (family.kind.as_str(), family.help.replace('|', "\\|"));
            // Writing to a `String` cannot fail.
            let _ = writeln!(page, "| `{}` | {kind} | {help} |", family.name);
        }
        page
    }

    /// The same for a terminal.
    pub(crate) fn table(&self) -> String {
        let families = self.families();
        let width = families.iter().map(|family| family.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for family in families {
            let kind = family.kind.as_str();
            let _ = writeln!(text, "{:width$}  {kind:9}  {}", family.name, family.help);
        }
        text
    }
}
