//! Whether the runs together have tried the whole contract. What an answer must be like is checked
//! by schemathesis; here is what it does not ask: that there were enough, of everything.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::report::Tally;

/// Taste. The configuration makes half as many again, so that a shorter contract shows.
const REQUESTS_MIN: usize = 5000;

/// The methods of OpenAPI 3.1; beside them, a path has descriptions and parameters.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Who the requests of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Anonymous,
    User,
    Admin,
}

impl Identity {
    pub(super) const ALL: [Self; 3] = [Self::Anonymous, Self::User, Self::Admin];

    /// As the module that signs in is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// One run of the tool.
pub(super) struct Run {
    pub(super) identity: Identity,
    pub(super) tally: Tally,
}

/// The operations of the contract (`GET /users/{id}`), and who may call each.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contract(BTreeMap<String, Access>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Public,
    SignedIn,
}

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, Map<String, Value>>,
}

impl Contract {
    pub(super) fn parse(json: &str) -> Result<Self> {
        let document: Document = serde_json::from_str(json)?;
        let mut operations = BTreeMap::new();
        for (path, item) in &document.paths {
            for (method, operation) in item.iter().filter(|(key, _)| METHODS.contains(&&***key)) {
                let schemes = operation["security"].as_array();
                let is_public = schemes.is_none_or(Vec::is_empty);
                let access = if is_public { Access::Public } else { Access::SignedIn };
                operations.insert(format!("{} {path}", method.to_ascii_uppercase()), access);
            }
        }
        ensure!(!operations.is_empty(), "it names no operation");
        Ok(Self(operations))
    }
}

const fn is_success(status: u16) -> bool {
    status < 300
}

/// Shows how much of what each operation was sent succeeded.
pub(super) fn print(contract: &Contract, runs: &[Run]) {
    println!("\nsuccesses of requests, as {}", Identity::ALL.map(Identity::name).join(", "));
    for operation in contract.0.keys() {
        print!("{operation:28}");
        for Run { tally, .. } in runs {
            let all = tally.count(operation, |_| true);
            print!("{:>6} of {all:<5}", tally.count(operation, is_success));
        }
        println!();
    }
    for Run { identity, tally } in runs {
        println!("{} requests as {}", tally.requests(), identity.name());
    }
}

/// What is wrong with the runs, in sentences.
pub(super) fn problems(contract: &Contract, runs: &[Run]) -> Vec<String> {
    let mut problems: Vec<_> = runs.iter().flat_map(|run| of_run(contract, run)).collect();
    let requests: usize = runs.iter().map(|run| run.tally.requests()).sum();
    if requests < REQUESTS_MIN {
        problems.push(format!("{requests} requests are less than {REQUESTS_MIN}"));
    }
    let succeeded = |operation: &String| {
        runs.iter().any(|Run { tally, .. }| tally.count(operation, is_success) > 0)
    };
    let failed = contract.0.keys().filter(|operation| !succeeded(operation));
    problems.extend(failed.map(|operation| format!("nobody succeeded with {operation}")));
    problems
}

fn of_run(contract: &Contract, Run { identity, tally }: &Run) -> Vec<String> {
    let mut problems = Vec::new();
    for (operation, access) in &contract.0 {
        let all = tally.count(operation, |_| true);
        let unauthenticated = tally.count(operation, |status| status == 401);
        let signs_in = *identity != Identity::Anonymous && *access == Access::SignedIn;
        if all == 0 {
            problems.push(format!("{operation} was not reached"));
        } else if signs_in && all == unauthenticated {
            problems.push(format!("{operation} met nobody who was signed in"));
        }
    }
    for operation in tally.operations() {
        let broken = tally.count(operation, |status| status >= 500);
        if broken > 0 {
            problems.push(format!("{operation} answered {broken} times with a server error"));
        }
    }
    if tally.unanswered > 0 {
        problems.push(format!("{} requests were not answered", tally.unanswered));
    }
    problems.iter().map(|problem| format!("{}: {problem}", identity.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"paths": {
        "/users": {"summary": "People", "post": {"security": []}, "get": {"security": [{"a": []}]}},
        "/docs": {"get": {}}
    }}"#;

    fn contract() -> Contract {
        Contract::parse(JSON).expect("well formed")
    }

    /// Every identity with the same answers, each given so often.
    fn judged(answers: &[(&str, u16)], times: usize) -> Vec<String> {
        let runs = Identity::ALL.map(|identity| {
            let tally = Tally::with(answers.iter().map(|(name, status)| (*name, *status, times)));
            Run { identity, tally }
        });
        problems(&contract(), &runs)
    }

    const GOOD: [(&str, u16); 3] = [("GET /docs", 200), ("GET /users", 200), ("POST /users", 201)];

    #[test]
    fn the_contract_tells_who_may_call() {
        use Access::{Public, SignedIn};
        let expected = [("GET /docs", Public), ("GET /users", SignedIn), ("POST /users", Public)];
        let expected = expected.map(|(name, access)| (name.to_owned(), access));
        assert_eq!(contract(), Contract(expected.into()));
        assert!(Contract::parse(r#"{"paths": {}}"#).is_err());
    }

    #[test]
    fn enough_of_everything_is_no_problem() {
        assert!(judged(&GOOD, 1000).is_empty());
        assert_eq!(judged(&GOOD, 10), ["90 requests are less than 5000"]);
    }

    #[test]
    fn an_operation_that_was_not_reached_is_a_problem_of_each_run() {
        let problems = judged(&GOOD[..2], 1000);
        assert_eq!(problems[0], "anonymous: POST /users was not reached");
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(problems[3], "nobody succeeded with POST /users");
    }

    #[test]
    fn an_operation_that_refused_everybody_is_a_problem() {
        let answers = [GOOD[0], ("GET /users", 401), GOOD[2]];
        let expected = [
            "user: GET /users met nobody who was signed in",
            "admin: GET /users met nobody who was signed in",
            "nobody succeeded with GET /users",
        ];
        assert_eq!(judged(&answers, 1000), expected);
        let forbidden = [GOOD[0], ("GET /users", 403), GOOD[2]];
        assert_eq!(judged(&forbidden, 1000), ["nobody succeeded with GET /users"]);
    }

    #[test]
    fn a_server_error_is_a_problem_wherever_it_comes_from() {
        let answers = [GOOD[0], GOOD[1], GOOD[2], ("PUT /docs", 503)];
        let problems = judged(&answers, 1000);
        assert_eq!(problems[0], "anonymous: PUT /docs answered 1000 times with a server error");
        assert_eq!(problems.len(), 3);
    }
}
