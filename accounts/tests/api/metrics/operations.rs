//! The dashboard and the alerts in `ops/` speak of metrics that exist, with labels that they have.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{exposition::Exposition, scrape};
use crate::support::start;

const RULES: &str = "ops/prometheus/mainstay.rules.yml";
const DASHBOARD: &str = "ops/grafana/mainstay.json";

/// What Prometheus adds to each series.
const TARGET: [&str; 2] = ["job", "instance"];

/// The words of `PromQL`, and of Grafana's variables, that are used; whatever else is not a metric
/// is a mistake.
const WORDS: [&str; 23] = [
    "absent_over_time",
    "and",
    "by",
    "count",
    "group_left",
    "histogram_quantile",
    "increase",
    "label_values",
    "max",
    "max_over_time",
    "min",
    "on",
    "or",
    "rate",
    "sum",
    "topk",
    "unless",
    "avg",
    "clamp_min",
    "ignoring",
    "offset",
    "time",
    "without",
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::read_to_string(root.join(path)).expect("it is there")
}

/// The values of a key in the rules: what follows it, or the lines that are further in.
fn rules(key: &str) -> Vec<String> {
    let text = read(RULES);
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let content = line.trim_start().trim_start_matches("- ");
        let Some(value) = content.strip_prefix(key) else { continue };
        if value.trim() != "|" {
            found.push(value.trim().to_owned());
            continue;
        }
        let depth = |line: &str| line.len() - line.trim_start().len();
        let mut block = String::new();
        while let Some(inner) = lines.next_if(|inner| depth(inner) > depth(line)) {
            block += inner;
            block.push('\n');
        }
        found.push(block);
    }
    found
}

/// Every query of the dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(query) if name == "expr" || name == "query" => {
                        found.push(query.to_owned());
                    }
                    _ => queries(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// A metric that a query names, with the labels it is asked for.
#[derive(Debug, Default)]
struct Named {
    metric: String,
    labels: Vec<String>,
}

/// The names in a query that are no words of its language.
fn named(query: &str) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || "_:$.".contains(c);
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (token, after) =
            if end > 0 { rest.split_at(end) } else { rest.split_at(first.len_utf8()) };
        rest = after;
        let until = |close: char| rest.split_once(close).expect("it is closed");
        match token {
            "[" => rest = until(']').1,
            "{" => {
                let (matchers, after) = until('}');
                let matchers = matchers.split(',').filter_map(|m| m.split(['=', '!']).next());
                let last = found.last_mut().expect("a metric before its labels");
                last.labels.extend(matchers.map(|label| label.trim().to_owned()));
                rest = after;
            }
            "by" | "on" | "without" => rest = until(')').1,
            word if WORDS.contains(&word) || word.starts_with(|c: char| !c.is_alphabetic()) => {}
            "job" | "instance" => {}
            metric => found.push(Named { metric: metric.to_owned(), labels: Vec::new() }),
        }
    }
    found
}

/// A family's name without what its samples add to it.
fn family<'n>(page: &Exposition, name: &'n str) -> Option<&'n str> {
    let histogram =
        ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let histogram =
        histogram.filter(|base| page.families.get(*base).is_some_and(|k| k == "histogram"));
    histogram.or_else(|| page.families.contains_key(name).then_some(name))
}

fn check(page: &Exposition, recorded: &BTreeSet<String>, query: &str) -> usize {
    let found = named(query);
    for Named { metric, labels } in &found {
        if recorded.contains(metric) {
            continue;
        }
        let family = family(page, metric);
        let family = family.unwrap_or_else(|| panic!("there is no metric {metric}: {query}"));
        let Some(known) = page.labels_of(family) else { continue };
        for label in labels {
            let is_known = known.contains(label.as_str()) || TARGET.contains(&label.as_str());
            assert!(is_known, "{metric} has no label {label}: {query}");
        }
    }
    found.len()
}

#[tokio::test]
async fn every_metric_of_the_dashboard_and_of_the_alerts_exists() {
    let page = scrape(&start().await).await;
    let recorded: BTreeSet<String> = rules("record:").into_iter().collect();
    let alerts = rules("expr:");
    assert!(recorded.len() >= 10 && alerts.len() > recorded.len() + 10, "{}", alerts.len());
    let mut dashboard = Vec::new();
    queries(&serde_json::from_str(&read(DASHBOARD)).expect("JSON"), &mut dashboard);
    dashboard.retain(|query| query != "prometheus");
    assert!(dashboard.len() > 30, "{}", dashboard.len());
    for query in alerts.iter().chain(&dashboard) {
        assert!(check(&page, &recorded, query) > 0, "it asks for nothing: {query}");
    }
}

#[test]
fn names_are_found_in_queries() {
    let query =
        "sum by (job) (rate(a_total{status=~\"5..\",code!=\"\"}[5m])) / on (job) b_max > 0.5 * 2";
    let found = named(query);
    let metrics: Vec<_> = found.iter().map(|named| named.metric.as_str()).collect();
    assert_eq!(metrics, ["a_total", "b_max"]);
    assert_eq!(found[0].labels, ["status", "code"]);
}
