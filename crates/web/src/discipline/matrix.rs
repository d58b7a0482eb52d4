//! `Matrix`: rows of cells, and the findings in them.

use std::{collections::BTreeSet, fmt};

use super::Evidence;

/// What has to be decided about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Every input goes through a contract that bounds it.
    Input,
    /// The codes are a closed set, and each has been produced by a test.
    Errors,
    /// Who may call.
    Access,
    /// How often.
    Limit,
    /// What happens when nobody can count.
    Outage,
    /// How long it may take.
    Deadline,
    /// How large a body may be.
    Body,
    /// What a second identical request does.
    Idempotency,
    /// Who may keep the answer.
    Cache,
    /// That nothing personal is in what proxies and logs write down.
    Personal,
    /// What it says of itself.
    Documented,
}

impl Column {
    /// All of them, in the order of the matrix.
    pub const ALL: [Self; 11] = [
        Self::Input,
        Self::Errors,
        Self::Access,
        Self::Limit,
        Self::Outage,
        Self::Deadline,
        Self::Body,
        Self::Idempotency,
        Self::Cache,
        Self::Personal,
        Self::Documented,
    ];

    /// The name of its cells in JSON, and in capitals its heading.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Errors => "errors",
            Self::Access => "access",
            Self::Limit => "limit",
            Self::Outage => "outage",
            Self::Deadline => "deadline",
            Self::Body => "body",
            Self::Idempotency => "idempotency",
            Self::Cache => "cache",
            Self::Personal => "personal",
            Self::Documented => "documented",
        }
    }
}

/// One cell: what is decided, in a few words, and what is not, in a sentence each.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) says: String,
    /// Why, where somebody has to give a reason.
    pub(super) reason: Option<&'static str>,
    pub(super) wrong: Vec<String>,
}

impl Cell {
    pub(super) fn of(says: impl Into<String>) -> Self {
        Self { says: says.into(), reason: None, wrong: Vec::new() }
    }

    /// A departure for a reason, which must not be blank. `how` is what to write.
    pub(super) fn because(says: impl Into<String>, reason: &'static str, how: &str) -> Self {
        let blank = reason.trim().is_empty();
        let wrong = blank.then(|| format!("the reason is blank; write {how}"));
        let reason = (!blank).then_some(reason);
        Self { says: says.into(), reason, wrong: wrong.into_iter().collect() }
    }

    pub(super) fn undecided(what: impl Into<String>) -> Self {
        Self { wrong: vec![what.into()], ..Self::of("undecided") }
    }

    /// Adds a finding, when there is one.
    pub(super) fn but(mut self, wrong: impl IntoIterator<Item = String>) -> Self {
        self.wrong.extend(wrong);
        self
    }
}

/// One endpoint with its cells, in the order of [`Column::ALL`].
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) module: &'static str,
    pub(super) handler: &'static str,
    pub(super) file: &'static str,
    pub(super) line: u32,
    pub(super) cells: Vec<(Column, Cell)>,
}

/// Something undecided: where the endpoint is written, which one it is, and what to write.
#[derive(Clone, Debug)]
pub struct Finding {
    /// As the compiler knows it: relative to the workspace.
    pub file: &'static str,
    /// Counted from 1.
    pub line: u32,
    /// `*` for a router that answers every method.
    pub method: String,
    /// The template of the path.
    pub path: String,
    /// Which decision is missing.
    pub column: Column,
    /// One sentence: what is missing, why it matters, what to write.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, method, path, column, sentence } = self;
        write!(f, "{file}:{line}: {method} {path}: {}: {sentence}", column.name())
    }
}

/// The endpoints of one or more edges with everything that is decided about them.
///
/// Its `Display` is a table for people, without the findings.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    pub(super) rows: Vec<Row>,
    /// The lines of evidence it asks for.
    pub(super) demanded: BTreeSet<String>,
}

impl Matrix {
    /// The endpoints of both.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self.demanded.extend(other.demanded);
        self
    }

    /// Everything undecided, in the order of the endpoints.
    pub fn findings(&self) -> Vec<Finding> {
        let of_row = |row: &Row| {
            let of_cell = |(column, cell): &(Column, Cell)| {
                let finding = |sentence: &String| Finding {
                    file: row.file,
                    line: row.line,
                    method: row.method.clone(),
                    path: row.path.clone(),
                    column: *column,
                    sentence: sentence.clone(),
                };
                cell.wrong.iter().map(finding).collect::<Vec<_>>()
            };
            row.cells.iter().flat_map(of_cell).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// Whether everything is decided.
    pub fn is_green(&self) -> bool {
        self.rows.iter().all(|row| row.cells.iter().all(|(_, cell)| cell.wrong.is_empty()))
    }

    /// The evidence to commit: what the matrix asks for, as far as `sightings` has it. Sorted, a
    /// line each.
    pub fn tested(&self, sightings: &Evidence) -> String {
        let seen = self.demanded.iter().filter(|line| sightings.holds(line));
        seen.flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}
