//! Tidy: the rules no compiler knows, as tests. Each rule is a row with its reason; see the tables
//! in `edges`, `layers`, `sizes` and `hygiene`.

mod asvs;
mod documents;
mod edges;
mod hygiene;
mod layers;
mod paths;
mod sizes;
mod source;
mod tree;

use std::fmt;

/// A rule, as its failure explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    /// One sentence: what must hold. Names the rule in an [`Exception`].
    sentence: &'static str,
    /// What goes wrong otherwise.
    why: &'static str,
}

/// A breach of a rule at a place.
#[derive(Debug)]
struct Finding {
    rule: Rule,
    path: String,
    /// Counted from 1.
    line: usize,
    /// What stands there.
    found: String,
}

impl Finding {
    fn at(path: &str, line: usize, rule: Rule, found: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, found: found.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, path, line, found } = self;
        writeln!(f, "{path}:{line}: {found}")?;
        writeln!(f, "    rule: {}", rule.sentence)?;
        writeln!(f, "    why:  {}", rule.why)
    }
}

/// A breach that is meant to be. A row that excuses nothing any longer fails as well.
struct Exception {
    /// The sentence of the rule.
    rule: &'static str,
    path: &'static str,
    reason: &'static str,
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule.sentence && self.path == finding.path
    }
}

/// Fails with every finding that no exception covers.
#[track_caller]
fn settle(findings: &[Finding], exceptions: &[Exception]) {
    let report = report(findings, exceptions);
    assert!(report.is_empty(), "\n{report}");
}

fn report(findings: &[Finding], exceptions: &[Exception]) -> String {
    let open = |finding: &&Finding| !exceptions.iter().any(|row| row.covers(finding));
    let stale = |row: &&Exception| !findings.iter().any(|finding| row.covers(finding));
    let breaches = findings.iter().filter(open).map(ToString::to_string);
    let stale = exceptions.iter().filter(stale).map(|row| {
        format!("{}: needs no exception ({}) from: {}\n", row.path, row.reason, row.rule)
    });
    breaches.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { sentence: "no tabs", why: "they have no width" };

    fn finding() -> Finding {
        Finding { rule: RULE, path: "a.rs".to_owned(), line: 7, found: "a tab".to_owned() }
    }

    const EXCUSE: Exception = Exception { rule: "no tabs", path: "a.rs", reason: "it is a sample" };

    #[test]
    fn a_report_names_the_place_the_rule_and_the_reason() {
        let text = "a.rs:7: a tab\n    rule: no tabs\n    why:  they have no width\n";
        assert_eq!(report(&[finding()], &[]), text);
    }

    #[test]
    fn an_exception_covers_its_file_until_it_is_stale() {
        assert_eq!(report(&[finding()], &[EXCUSE]), "");
        let elsewhere = Finding { path: "b.rs".to_owned(), ..finding() };
        assert!(report(&[elsewhere], &[]).starts_with("b.rs:7"));
        assert!(report(&[], &[EXCUSE]).contains("needs no exception"));
    }
}
