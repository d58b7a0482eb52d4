//! A strict reader of Prometheus' text format: whatever it takes, Prometheus takes.

use std::collections::{BTreeMap, BTreeSet};

/// Label names with their values.
pub(super) type Labels = BTreeMap<String, String>;

/// A page that has been read.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    /// The kind of each family.
    pub(super) families: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// Reads a page. Panics on the first line that is not as it should be.
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let (mut help, mut family) = (String::new(), String::new());
        assert!(text.ends_with('\n'), "the last line does not end");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, meaning) = rest.split_once(' ').expect("a name and its help");
                assert!(!meaning.is_empty(), "{line}");
                name.clone_into(&mut help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and its kind");
                assert_eq!(help, name, "help comes before the kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(page.families.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                let base = match page.families[&family].as_str() {
                    "histogram" => ["_bucket", "_sum", "_count"]
                        .iter()
                        .find_map(|suffix| name.strip_suffix(suffix))
                        .expect("a part of a histogram"),
                    _ => name.as_str(),
                };
                assert_eq!(base, family, "a sample belongs to the family before it");
                let previous = page.samples.insert((name.clone(), labels), value);
                assert!(previous.is_none(), "a series is there twice: {line}");
            }
        }
        page.check_histograms();
        page
    }

    /// Buckets grow, and the last of them is the count.
    fn check_histograms(&self) {
        let mut checked: BTreeMap<(&str, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            let Some(family) = name.strip_suffix("_bucket") else { continue };
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect("a bucket has a bound");
            let bound = bound.parse().expect("a bound is a number");
            checked.entry((family, labels)).or_default().push((bound, *value));
        }
        for ((family, labels), mut buckets) in checked {
            buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{family} {labels:?}");
            let (bound, count) = buckets.last().expect("it has a bucket");
            assert!(bound.is_infinite(), "{family} {labels:?} has no last bucket");
            let total = self.samples[&(format!("{family}_count"), labels)];
            assert!((total - count).abs() < f64::EPSILON, "{family}");
        }
    }

    /// The whole value of the series with these labels; 0 for one that is not there.
    pub(super) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.samples.get(&(name.to_owned(), labels.collect())).map_or(0, |value| *value as u64)
    }

    /// The sum over every series of a name with this label.
    pub(super) fn sum(&self, name: &str, label: (&str, &str)) -> u64 {
        let counts = self.samples.iter().filter(|((other, labels), _)| {
            other == name && labels.get(label.0).is_some_and(|value| value == label.1)
        });
        counts.map(|(_, value)| *value as u64).sum()
    }

    /// Every series: its name and its labels.
    pub(super) fn series(&self) -> BTreeSet<&(String, Labels)> {
        self.samples.keys().collect()
    }

    /// The names of the labels of a family's samples, if it has samples.
    pub(super) fn labels_of(&self, family: &str) -> Option<BTreeSet<&str>> {
        let own = self.samples.keys().filter(|(name, _)| {
            let rest = name.strip_prefix(family);
            rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        let mut own = own.peekable();
        own.peek()?;
        Some(own.flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect())
    }
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a series and its value");
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}').expect("the labels end"))),
        None => (series, Labels::new()),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    assert!(!name.is_empty() && name.bytes().all(is_name), "{line}");
    (name.to_owned(), labels, value)
}

fn labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a label and its value");
        let (mut value, mut characters) = (String::new(), rest.char_indices());
        let end = loop {
            let (at, character) = characters.next().expect("the value ends");
            match character {
                '"' => break at + 1,
                '\\' => value.push(match characters.next().expect("what is escaped").1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} is no escape"),
                }),
                other => value.push(other),
            }
        };
        assert!(!value.is_empty(), "{name} says nothing");
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} is there twice");
        text = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]);
    }
    labels
}
