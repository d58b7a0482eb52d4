//! A failure told to an operator: what, why, and how to fix it.

use std::{error::Error, fmt};

use crate::telemetry::Chain;

/// Ends a command with exit code 1.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: String,
    fix: String,
}

impl Failure {
    /// Three sentences, or parts of them; no secrets.
    pub fn new(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), fix: fix.into() }
    }

    /// A failure nobody has planned for: the reason is an error's chain.
    pub fn unexpected(what: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        Self::new(what, Chain(error).to_string(), "see the reason above; the log may say more")
    }

    /// What, why and fix.
    pub(crate) fn parts(&self) -> [&str; 3] {
        [&self.what, &self.why, &self.fix]
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  why: {}\n  fix: {}", self.what, self.why, self.fix)
    }
}

impl Error for Failure {}
