//! What a run has sent and been answered, from the events that schemathesis writes down.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// How often each status was answered, by operation (`GET /users/{id}`).
#[derive(Debug, Default)]
pub(super) struct Tally {
    answers: BTreeMap<String, BTreeMap<u16, usize>>,
    /// Requests without an answer: a time-out, a closed connection.
    pub(super) unanswered: usize,
}

/// One line. The event of another kind has none of the fields below.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "ScenarioFinished")]
    scenario: Option<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    recorder: Recorder,
}

/// Cases and what became of them, by the same key.
#[derive(Deserialize)]
struct Recorder {
    #[serde(default)]
    cases: HashMap<String, Recorded>,
    #[serde(default)]
    interactions: HashMap<String, Interaction>,
}

#[derive(Deserialize)]
struct Recorded {
    value: Case,
}

#[derive(Deserialize)]
struct Case {
    method: String,
    /// With the names of its parameters, as in the contract.
    path: String,
}

#[derive(Deserialize)]
struct Interaction {
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    status_code: u16,
}

impl Tally {
    /// Reads the report of one run.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::of(BufReader::new(File::open(path)?))
    }

    fn of(lines: impl BufRead) -> Result<Self> {
        let mut tally = Self::default();
        for line in lines.lines() {
            let event: Event = serde_json::from_str(&line?)?;
            event.scenario.map_or(Ok(()), |scenario| tally.add(scenario.recorder))?;
        }
        ensure!(tally.requests() > 0, "it tells of no request, so it would prove nothing");
        Ok(tally)
    }

    fn add(&mut self, Recorder { cases, interactions }: Recorder) -> Result<()> {
        for (key, interaction) in interactions {
            let Case { method, path } = &cases.get(&key).context("an answer to nothing")?.value;
            match interaction.response {
                Some(response) => {
                    let statuses = self.answers.entry(format!("{method} {path}")).or_default();
                    *statuses.entry(response.status_code).or_default() += 1;
                }
                None => self.unanswered += 1,
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn with<'a>(answers: impl Iterator<Item = (&'a str, u16, usize)>) -> Self {
        let mut tally = Self::default();
        for (operation, status, count) in answers {
            tally.answers.entry(operation.to_owned()).or_default().insert(status, count);
        }
        tally
    }

    /// All that were sent.
    pub(super) fn requests(&self) -> usize {
        self.unanswered + self.answers.values().flat_map(BTreeMap::values).sum::<usize>()
    }

    /// How many answers of an operation have one of these statuses.
    pub(super) fn count(&self, operation: &str, is_counted: impl Fn(u16) -> bool) -> usize {
        let statuses = self.answers.get(operation).into_iter().flatten();
        statuses.filter(|(status, _)| is_counted(**status)).map(|(_, count)| count).sum()
    }

    /// The operations that were sent something, also those that the contract does not name.
    pub(super) fn operations(&self) -> impl Iterator<Item = &str> {
        self.answers.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let lines = r#"{"EngineStarted": {"seed": 1}}
{"ScenarioFinished": {"recorder": {"label": "GET /docs"}}}
{"ScenarioFinished": {"recorder": {"cases": {
    "a": {"value": {"method": "GET", "path": "/users/{id}", "id": "a"}, "parent_id": null},
    "b": {"value": {"method": "GET", "path": "/users/{id}"}},
    "c": {"value": {"method": "TRACE", "path": "/docs"}},
    "never sent": {"value": {"method": "GET", "path": "/me"}}
}, "interactions": {
    "a": {"request": {}, "response": {"status_code": 200}},
    "b": {"request": {}, "response": {"status_code": 404}},
    "c": {"request": {}, "response": null}
}}}}"#;
        let lines = lines.replace("\n    ", "").replace("\n}", "}");
        let tally = Tally::of(lines.as_bytes()).expect("a report");
        assert_eq!((tally.requests(), tally.unanswered), (3, 1));
        assert_eq!(tally.count("GET /users/{id}", |_| true), 2);
        assert_eq!(tally.count("GET /users/{id}", |status| status < 300), 1);
        assert_eq!(tally.operations().collect::<Vec<_>>(), ["GET /users/{id}"]);
    }

    #[test]
    fn a_report_of_another_shape_is_an_error() {
        for lines in ["", r#"{"EngineStarted": {}}"#, "no JSON", r#"{"ScenarioFinished": {}}"#] {
            assert!(Tally::of(lines.as_bytes()).is_err(), "{lines}");
        }
    }
}
