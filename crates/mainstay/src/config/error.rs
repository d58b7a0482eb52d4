//! What is wrong with a configuration: every mistake with its place, its reason and its repair.

use std::{fmt, sync::Arc};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A line of the file; line 0 is the file as a whole.
    File {
        /// As it was named.
        path: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => f.write_str(path),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is; several places when they contradict each other.
    pub origins: Vec<Origin>,
    /// What was found.
    pub what: String,
    /// Why that cannot be used.
    pub why: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.origins.iter().map(Origin::to_string).collect();
        writeln!(f, "{}", self.what)?;
        writeln!(f, "  where: {}", places.join(", "))?;
        writeln!(f, "  why:   {}", self.why)?;
        write!(f, "  fix:   {}", self.fix)
    }
}

/// Every mistake of a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "the configuration has {count} {noun}")?;
        for (at, error) in self.0.iter().enumerate() {
            write!(f, "\n\n{}. {error}", at + 1)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// What to do about a name that nothing knows: the nearest known one, or the list of them.
pub(super) fn suggest<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    // Two edits cover a slip and a transposition; more in a short name is another word.
    let edits_max = if unknown.len() > 4 { 2 } else { 1 };
    let unknown = unknown.to_lowercase();
    let distance = |name: &&str| strsim::damerau_levenshtein(&unknown, &name.to_lowercase());
    match known.clone().min_by_key(distance) {
        Some(name) if distance(&name) <= edits_max => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}
