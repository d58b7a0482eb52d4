//! Contract coverage: every error code the service registers has been produced by some test.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

/// The committed registry of the reference service, relative to the root.
pub(crate) const REGISTRY: &str = "accounts/errors.json";

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

/// One line a test process wrote: `METHOD<TAB>ROUTE<TAB>CODE`.
struct Sighting<'a> {
    code: &'a str,
}

impl<'a> Sighting<'a> {
    fn parse(line: &'a str) -> Result<Self> {
        let [_method, _route, code] = line.split('\t').collect::<Vec<_>>()[..] else {
            anyhow::bail!("expected METHOD<TAB>ROUTE<TAB>CODE, found {line:?}");
        };
        Ok(Self { code })
    }
}

/// Reports every registered code that the last run of the tests did not produce.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let path = workspace.root.join(REGISTRY);
    let registry = fs::read_to_string(&path).with_context(|| format!("cannot read {REGISTRY}"))?;
    let registry = parse(&registry).with_context(|| format!("cannot parse {REGISTRY}"))?;
    let seen = sightings(&workspace.coverage())?;
    let missing = unproduced(&registry, &seen);
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

fn sightings(folder: &Path) -> Result<BTreeSet<String>> {
    let files = fs::read_dir(folder)
        .with_context(|| format!("no {}: run `cargo xtask test` first", folder.display()))?;
    let mut seen = BTreeSet::new();
    for file in files {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        for line in text.lines() {
            let sighting =
                Sighting::parse(line).with_context(|| format!("in {}", path.display()))?;
            seen.insert(sighting.code.to_owned());
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
        assert_eq!(Sighting::parse("GET\t/me\tFORBIDDEN").expect("three parts").code, "FORBIDDEN");
        for line in ["", "FORBIDDEN", "GET\tFORBIDDEN", "GET\t/me\tFORBIDDEN\t403"] {
            assert!(Sighting::parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_empty_registry_is_refused() {
        assert!(parse(r#"{"codes": []}"#).is_err());
    }
}
