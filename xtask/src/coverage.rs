//! Contract coverage: every error code the service registers has been produced by some test, and
//! so has every line of the committed evidence that the discipline matrix relies on.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

/// The committed registry of the reference service, relative to the root.
pub(crate) const REGISTRY: &str = "accounts/errors.json";

/// The committed evidence of the reference service, relative to the root.
const EVIDENCE: &str = "accounts/tested.tsv";

/// The registry as far as it is read here.
#[derive(Deserialize)]
struct Registry {
    codes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    code: String,
    meaning: String,
}

/// What test processes wrote, a line each: `METHOD<TAB>ROUTE<TAB>CODE`.
#[derive(Default)]
struct Sightings {
    lines: BTreeSet<String>,
    codes: BTreeSet<String>,
}

impl Sightings {
    fn add(&mut self, line: &str) -> Result<()> {
        let [_method, _route, code] = line.split('\t').collect::<Vec<_>>()[..] else {
            anyhow::bail!("expected METHOD<TAB>ROUTE<TAB>CODE, found {line:?}");
        };
        self.codes.insert(code.to_owned());
        self.lines.insert(line.to_owned());
        Ok(())
    }

    /// Whether a line of evidence has been produced; `*` stands for any method and route.
    fn produce(&self, evidence: &str) -> bool {
        match evidence.strip_prefix("*\t*\t") {
            Some(code) => self.codes.contains(code),
            None => self.lines.contains(evidence),
        }
    }
}

/// Reports every registered code, and every line of evidence, that the last run of the tests did
/// not produce.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let seen = sightings(&workspace.coverage())?;
    check_registry(workspace, &seen)?;
    check_evidence(workspace, &seen)
}

/// Writes the evidence anew from the last run of the tests: as many lines as the matrix asks for.
pub(crate) fn write_evidence(workspace: &Workspace) -> Result<()> {
    let folder = workspace.coverage();
    sightings(&folder)?;
    let folder = folder.to_str().context("the target folder has no name in UTF-8")?;
    let check = ["cargo", "run", "--quiet", "--package", "accounts", "--", "check", "--evidence"];
    let written = workspace.output(&[&check[..], &[folder]].concat())?;
    fs::write(workspace.root.join(EVIDENCE), &written)
        .with_context(|| format!("cannot write {EVIDENCE}"))?;
    println!("{EVIDENCE} has {} lines", written.lines().count());
    Ok(())
}

fn check_evidence(workspace: &Workspace, seen: &Sightings) -> Result<()> {
    let committed = fs::read_to_string(workspace.root.join(EVIDENCE))
        .with_context(|| format!("cannot read {EVIDENCE}"))?;
    let stale = stale(&committed, seen);
    for line in &stale {
        println!("no test produces {} any longer", line.replace('\t', " "));
    }
    let total = committed.lines().count();
    ensure!(
        stale.is_empty(),
        "{} of {total} lines of {EVIDENCE} are stale: bring the tests back, or run `cargo xtask \
         evidence`",
        stale.len()
    );
    println!("{total} of {total} lines of {EVIDENCE} are produced by tests");
    Ok(())
}

fn stale<'a>(evidence: &'a str, seen: &Sightings) -> Vec<&'a str> {
    evidence.lines().filter(|line| !seen.produce(line)).collect()
}

fn check_registry(workspace: &Workspace, seen: &Sightings) -> Result<()> {
    let path = workspace.root.join(REGISTRY);
    let registry = fs::read_to_string(&path).with_context(|| format!("cannot read {REGISTRY}"))?;
    let registry = parse(&registry).with_context(|| format!("cannot parse {REGISTRY}"))?;
    let missing = unproduced(&registry, &seen.codes);
    for entry in &missing {
        println!("no test produces {}: {}", entry.code, entry.meaning);
    }
    let total = registry.codes.len();
    ensure!(missing.is_empty(), "{} of {total} error codes are untested", missing.len());
    println!("{total} of {total} error codes are produced by tests");
    Ok(())
}

/// The names of the registered codes, for the rule that each is documented.
#[cfg(test)]
pub(crate) fn registered(json: &str) -> Result<Vec<String>> {
    Ok(parse(json)?.codes.into_iter().map(|entry| entry.code).collect())
}

fn parse(json: &str) -> Result<Registry> {
    let registry: Registry = serde_json::from_str(json)?;
    ensure!(!registry.codes.is_empty(), "the registry names no code, so it would check nothing");
    Ok(registry)
}

fn sightings(folder: &Path) -> Result<Sightings> {
    let files = fs::read_dir(folder)
        .with_context(|| format!("no {}: run `cargo xtask test` first", folder.display()))?;
    let mut seen = Sightings::default();
    for file in files {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        for line in text.lines() {
            seen.add(line).with_context(|| format!("in {}", path.display()))?;
        }
    }
    Ok(seen)
}

fn unproduced<'a>(registry: &'a Registry, seen: &BTreeSet<String>) -> Vec<&'a Entry> {
    registry.codes.iter().filter(|entry| !seen.contains(&entry.code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"codes": [
        {"code": "EMAIL_TAKEN", "kind": "conflict", "status": 409, "meaning": "Taken."},
        {"code": "USER_NOT_FOUND", "kind": "not_found", "status": 404, "meaning": "Absent."}
    ]}"#;

    #[test]
    fn a_code_no_test_produced_is_reported() {
        let registry = parse(JSON).expect("well formed");
        let seen = BTreeSet::from(["EMAIL_TAKEN".to_owned()]);
        let missing: Vec<_> = unproduced(&registry, &seen).iter().map(|e| &e.code).collect();
        assert_eq!(missing, ["USER_NOT_FOUND"]);
    }

    #[test]
    fn a_code_from_outside_the_registry_does_not_stand_in_for_a_registered_one() {
        let registry = parse(JSON).expect("well formed");
        let seen = ["EMAIL", "email_taken", "OTHER"].map(str::to_owned).into();
        assert_eq!(unproduced(&registry, &seen).len(), 2);
    }

    #[test]
    fn a_line_of_another_shape_is_an_error() {
        let mut seen = Sightings::default();
        seen.add("GET\t/me\tFORBIDDEN").expect("three parts");
        assert!(seen.codes.contains("FORBIDDEN"));
        for line in ["", "FORBIDDEN", "GET\tFORBIDDEN", "GET\t/me\tFORBIDDEN\t403"] {
            assert!(seen.add(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn evidence_that_no_test_produces_any_longer_is_reported() {
        let mut seen = Sightings::default();
        for line in ["GET\t/me\tFORBIDDEN", "-\t-\tINVALID_HOST"] {
            seen.add(line).expect("three parts");
        }
        let produced = "*\t*\tFORBIDDEN\n*\t*\tINVALID_HOST\nGET\t/me\tFORBIDDEN\n";
        assert_eq!(stale(produced, &seen), [] as [&str; 0]);
        let gone = "*\t*\tINTERNAL\nGET\t/you\tFORBIDDEN\n";
        assert_eq!(stale(gone, &seen), ["*\t*\tINTERNAL", "GET\t/you\tFORBIDDEN"]);
    }

    #[test]
    fn an_empty_registry_is_refused() {
        assert!(parse(r#"{"codes": []}"#).is_err());
    }
}
