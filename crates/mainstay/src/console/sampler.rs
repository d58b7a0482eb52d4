//! From the page of metrics to what has changed in a second.

use std::collections::HashMap;

/// Series that are followed. A service of a hundred endpoints has some 5,000; the labels are names
/// from the source, so this is reached by a mistake or not at all.
const SERIES_MAX: usize = 20_000;

/// Reads the same page again and again.
#[derive(Default)]
pub(super) struct Sampler {
    /// The number of each series, and its last value.
    series: HashMap<String, (usize, f64), foldhash::fast::RandomState>,
}

/// What one reading has found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Series that were not there before; they are numbered in this order, after the known ones.
    pub(super) names: Vec<String>,
    /// `(number, value)` of everything that is not zero: how much a counter or a bucket alone has
    /// grown since the last reading, and what a gauge shows.
    pub(super) values: Vec<(usize, f64)>,
}

impl Sampler {
    /// Reads a page in Prometheus' text format, as our own registry writes it.
    pub(super) fn read(&mut self, page: &str) -> Sample {
        let mut sample = Sample::default();
        let (mut only_grows, mut has_buckets, mut below) = (false, false, 0.0);
        for line in page.lines() {
            if let Some(declaration) = line.strip_prefix("# TYPE ") {
                only_grows = !declaration.ends_with(" gauge");
                has_buckets = declaration.ends_with(" histogram");
            }
            let Some((name, value)) = sample_of(line) else { continue };
            let Some((number, last)) = self.find(name, &mut sample.names) else { continue };
            let alone = if has_buckets && name.contains("_bucket{") {
                // A bucket counts what is in those before it, too; the last one ends its histogram.
                let alone = value - below;
                below = if name.contains("le=\"+Inf\"") { 0.0 } else { value };
                alone
            } else {
                value
            };
            let change = if only_grows { alone - *last } else { alone };
            *last = alone;
            if change != 0.0 && change.is_finite() {
                sample.values.push((number, change));
            }
        }
        sample
    }

    fn find(&mut self, name: &str, names: &mut Vec<String>) -> Option<(usize, &mut f64)> {
        if !self.series.contains_key(name) {
            let number = self.series.len();
            if number == SERIES_MAX {
                return None;
            }
            names.push(name.to_owned());
            self.series.insert(name.to_owned(), (number, 0.0));
        }
        self.series.get_mut(name).map(|(number, last)| (*number, last))
    }
}

/// `name{label="value"} 1`; nothing for a comment.
fn sample_of(line: &str) -> Option<(&str, f64)> {
    let (name, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    Some((name, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"# HELP a_total What
# TYPE a_total counter
a_total{of="x y"} 5
a_total{of="z"} 0
# TYPE b gauge
b 2.5
# TYPE c_seconds histogram
c_seconds_bucket{le="0.1"} 3
c_seconds_bucket{le="1.0"} 4
c_seconds_bucket{le="+Inf"} 6
c_seconds_sum 9.5
c_seconds_count 6
"#;

    #[test]
    fn what_only_grows_is_told_by_its_growth_and_the_rest_as_it_is() {
        let mut sampler = Sampler::default();
        let first = sampler.read(FIRST);
        assert_eq!(first.names.len(), 8);
        assert_eq!(first.names[0], "a_total{of=\"x y\"}");
        let expected = [(0, 5.0), (2, 2.5), (3, 3.0), (4, 1.0), (5, 2.0), (6, 9.5), (7, 6.0)];
        assert_eq!(first.values, expected);

        let same = sampler.read(FIRST);
        assert_eq!(same, Sample { names: vec![], values: vec![(2, 2.5)] });

        let later = FIRST
            .replace("z\"} 0", "z\"} 7")
            .replace("b 2.5", "b 0")
            .replace("{le=\"1.0\"} 4", "{le=\"1.0\"} 6")
            .replace("{le=\"+Inf\"} 6", "{le=\"+Inf\"} 8");
        assert_eq!(sampler.read(&later).values, [(1, 7.0), (4, 2.0)]);
    }

    #[test]
    fn there_is_an_end_to_what_is_followed() {
        let mut sampler = Sampler::default();
        let lines: Vec<_> = (0..SERIES_MAX + 5).map(|n| format!("a{n} 1")).collect();
        let page = lines.join("\n");
        assert_eq!(sampler.read(&page).values.len(), SERIES_MAX);
        assert_eq!(sampler.read(&page).names, Vec::<String>::new());
    }
}
