//! What `doctor` says, for people and for programs.

use std::{fmt, process::ExitCode};

use serde_json::{Value, json};

use crate::app::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Ok,
    /// It works today.
    Warning,
    /// It does not work, or will not under load.
    Error,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// One word: `connections`.
    pub(super) check: &'static str,
    pub(super) what: String,
    /// Empty where nothing is wrong.
    why: String,
    fix: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Ok, check, [what.into(), String::new(), String::new()])
    }

    pub(super) fn warning(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, check, [what.into(), why.into(), fix.into()])
    }

    pub(super) fn error(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, check, [what.into(), why.into(), fix.into()])
    }

    /// What would end a start.
    pub(super) fn failed(check: &'static str, failure: &Failure) -> Self {
        let [what, why, fix] = failure.parts().map(str::to_owned);
        Self::new(Severity::Error, check, [what, why, fix])
    }

    fn new(severity: Severity, check: &'static str, [what, why, fix]: [String; 3]) -> Self {
        Self { severity, check, what, why, fix }
    }
}

pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    fn worst(&self) -> Severity {
        self.0.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.worst() as u8)
    }

    pub(super) fn to_json(&self) -> Value {
        let findings: Vec<_> = self
            .0
            .iter()
            .map(|finding| {
                let Finding { severity, check, what, why, fix } = finding;
                let told = |text: &String| (!text.is_empty()).then(|| text.clone());
                json!({
                    "severity": severity.as_str(),
                    "check": check,
                    "what": what,
                    "why": told(why),
                    "fix": told(fix),
                })
            })
            .collect();
        json!({ "worst": self.worst().as_str(), "findings": findings })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { severity, check, what, why, fix } in &self.0 {
            writeln!(f, "{:8} {check:12} {what}", severity.as_str())?;
            for (name, text) in [("why", why), ("fix", fix)] {
                if !text.is_empty() {
                    writeln!(f, "{:21} {name}: {text}", "")?;
                }
            }
        }
        let (warnings, errors) = (self.count(Severity::Warning), self.count(Severity::Error));
        writeln!(f, "{errors} errors, {warnings} warnings")
    }
}
