//! The page of a scrape: families and their samples, in Prometheus' text format or in
//! `OpenMetrics`.

use std::{fmt::Write as _, time::Duration};

use mainstay_core::Distribution;

/// A metric: its name, its kind, and what it says. One for each `const`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// `mainstay_<noun>_<unit>`; that of a counter ends in `_total`, that of an info in `_info`.
    pub name: &'static str,
    /// What its value does.
    pub kind: Kind,
    /// One sentence for who sees the name in a query for the first time, without a full stop.
    pub help: &'static str,
}

/// What the value of a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts durations by how long they are.
    Histogram,
    /// It is 1; what it says is in its labels.
    Info,
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text format, version 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.0, as text.
    OpenMetrics,
}

/// The value of a label. It is a name from the program's source, or a number: nothing that a caller
/// sends can become one, so nobody can make a page grow, and no personal data gets into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A name.
    Name(&'static str),
    /// A number of a small set, as the status of an answer is.
    Number(u16),
}

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// Anything else: seconds, ratios.
    Real(f64),
}

/// A page under construction.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: String,
    families: Vec<Family>,
}

/// Takes the samples of one family.
#[derive(Debug)]
pub struct Samples<'p> {
    family: Family,
    text: &'p mut String,
}

impl Page {
    /// An empty page. Room for `capacity` bytes avoids growing while it is written.
    pub fn new(format: Format, capacity: usize) -> Self {
        Self { format, text: String::with_capacity(capacity), families: Vec::new() }
    }

    /// Begins a family; its samples follow.
    pub fn family(&mut self, family: &Family) -> Samples<'_> {
        self.families.push(*family);
        let Family { name, kind, help } = *family;
        let (name, kind) = match (self.format, kind) {
            // There a family is called what its samples are called without their suffix.
            (Format::OpenMetrics, Kind::Counter) => {
                (name.strip_suffix("_total").unwrap_or(name), "counter")
            }
            (Format::OpenMetrics, Kind::Info) => {
                (name.strip_suffix("_info").unwrap_or(name), "info")
            }
            (Format::Text, Kind::Counter) => (name, "counter"),
            (_, Kind::Gauge) | (Format::Text, Kind::Info) => (name, "gauge"),
            (_, Kind::Histogram) => (name, "histogram"),
        };
        self.text += "# HELP ";
        self.text += name;
        self.text.push(' ');
        escape(&mut self.text, help, self.format == Format::OpenMetrics);
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.text, "\n# TYPE {name} {kind}");
        Samples { family: *family, text: &mut self.text }
    }

    /// The families so far.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The whole page.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

impl Samples<'_> {
    /// The only sample of a family without labels.
    pub fn value(&mut self, value: impl Into<Value>) {
        self.sample(&[], value);
    }

    /// A sample with labels. Each set of them comes once.
    pub fn sample(&mut self, labels: &[(&str, Label)], value: impl Into<Value>) {
        self.write("", labels, None, value.into());
    }

    /// The samples of a histogram.
    pub fn distribution(&mut self, labels: &[(&str, Label)], distribution: &Distribution) {
        let Distribution { bounds, counts, sum } = distribution;
        let mut total = 0;
        for (index, count) in counts.iter().enumerate() {
            total += count;
            let bound = bounds.get(index).map_or(f64::INFINITY, Duration::as_secs_f64);
            self.write("_bucket", labels, Some(bound), Value::Count(total));
        }
        self.write("_sum", labels, None, (*sum).into());
        self.write("_count", labels, None, Value::Count(total));
    }

    fn write(&mut self, suffix: &str, labels: &[(&str, Label)], bound: Option<f64>, value: Value) {
        let text = &mut *self.text;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let mut separator = '{';
        for (name, label) in labels {
            text.push(separator);
            text.push_str(name);
            text.push_str("=\"");
            match label {
                Label::Name(name) => escape(text, name, true),
                Label::Number(number) => _ = write!(text, "{number}"),
            }
            text.push('"');
            separator = ',';
        }
        if let Some(bound) = bound {
            text.push(separator);
            text.push_str("le=\"");
            number(text, bound);
            text.push('"');
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        text.push(' ');
        match value {
            Value::Count(count) => _ = write!(text, "{count}"),
            Value::Real(real) => number(text, real),
        }
        text.push('\n');
    }
}

/// `OpenMetrics` wants whole numbers that are not counts to say so: `1.0`.
fn number(text: &mut String, number: f64) {
    if number == f64::INFINITY {
        text.push_str("+Inf");
    } else {
        let _ = write!(text, "{number:?}");
    }
}

/// Writes a text so that it ends where it should. Help of the older format has no quotes to escape.
fn escape(text: &mut String, raw: &str, quotes: bool) {
    let is_special = |byte: u8| matches!(byte, b'\\' | b'\n' | b'"');
    // Names from the source hardly ever have one.
    if !raw.bytes().any(is_special) {
        return text.push_str(raw);
    }
    for character in raw.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

impl Family {
    /// A number that only grows.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help }
    }

    /// A number that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help }
    }

    /// Durations by how long they are.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, help }
    }

    /// Something that is said in labels.
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Info, help }
    }
}

impl Kind {
    /// Its name in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

impl Format {
    /// The media type of a page.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl From<&'static str> for Label {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Count(is_so.into())
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

/// In seconds.
impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Real(duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use mainstay_core::Histogram;

    use super::*;

    const BOUNDS: &[Duration] = &[Duration::from_millis(5), Duration::from_secs(1)];

    fn page(format: Format) -> String {
        let histogram = Histogram::new(BOUNDS);
        for millis in [1, 2, 3000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut page = Page::new(format, 0);
        let asked = Family::counter("mainstay_questions_total", "Questions, \"good\" ones \\ all");
        page.family(&asked)
            .sample(&[("by", "a \"b\"\\\n".into()), ("status", Label::Number(200))], 3_u64);
        page.family(&Family::gauge("mainstay_patience_ratio", "What is left")).value(0.25);
        page.family(&Family::gauge("mainstay_nothing", "Nothing"));
        page.family(&Family::info("mainstay_build_info", "What runs"))
            .sample(&[("version", "1".into())], true);
        let waits = Family::histogram("mainstay_wait_seconds", "Waits");
        page.family(&waits).distribution(&[("lane", "a".into())], &histogram.read());
        page.finish()
    }

    #[test]
    fn a_page_is_prometheus_text() {
        let expected = r#"# HELP mainstay_questions_total Questions, "good" ones \\ all
# TYPE mainstay_questions_total counter
mainstay_questions_total{by="a \"b\"\\\n",status="200"} 3
# HELP mainstay_patience_ratio What is left
# TYPE mainstay_patience_ratio gauge
mainstay_patience_ratio 0.25
# HELP mainstay_nothing Nothing
# TYPE mainstay_nothing gauge
# HELP mainstay_build_info What runs
# TYPE mainstay_build_info gauge
mainstay_build_info{version="1"} 1
# HELP mainstay_wait_seconds Waits
# TYPE mainstay_wait_seconds histogram
mainstay_wait_seconds_bucket{lane="a",le="0.005"} 2
mainstay_wait_seconds_bucket{lane="a",le="1.0"} 2
mainstay_wait_seconds_bucket{lane="a",le="+Inf"} 3
mainstay_wait_seconds_sum{lane="a"} 3.003
mainstay_wait_seconds_count{lane="a"} 3
"#;
        assert_eq!(page(Format::Text), expected);
    }

    #[test]
    fn a_page_is_openmetrics_where_that_is_wanted() {
        let page = page(Format::OpenMetrics);
        for line in [
            r#"# HELP mainstay_questions Questions, \"good\" ones \\ all"#,
            "# TYPE mainstay_questions counter",
            r#"mainstay_questions_total{by="a \"b\"\\\n",status="200"} 3"#,
            "# TYPE mainstay_build info",
            r#"mainstay_build_info{version="1"} 1"#,
            r#"mainstay_wait_seconds_bucket{lane="a",le="1.0"} 2"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(page.ends_with("\n# EOF\n"), "{page}");
    }
}
