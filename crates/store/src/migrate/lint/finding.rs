//! What the check says: which lock a statement takes, what is wrong with it, and what to write.

use std::fmt;

/// A lock of PostgreSQL on a table, weakest first
/// (<https://www.postgresql.org/docs/current/explicit-locking.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// What `SELECT` takes.
    AccessShare,
    /// What `SELECT … FOR UPDATE` takes.
    RowShare,
    /// What writing rows takes.
    RowExclusive,
    /// What builds and validates beside readers and writers.
    ShareUpdateExclusive,
    /// What holds up every write.
    Share,
    /// As `Share`, and excludes itself.
    ShareRowExclusive,
    /// Only plain reads go on.
    Exclusive,
    /// Nothing goes on.
    AccessExclusive,
}

impl LockMode {
    /// As PostgreSQL writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Who waits for whom.
    const fn effect(self) -> &'static str {
        match self {
            Self::AccessShare => "reads and writes go on",
            Self::RowShare | Self::RowExclusive => {
                "reads and writes go on; whoever writes the same rows waits"
            }
            Self::ShareUpdateExclusive => {
                "reads and writes go on; other changes of the schema wait"
            }
            Self::Share | Self::ShareRowExclusive => {
                "waits for every open write, and reads go on while every other write waits"
            }
            Self::Exclusive => "waits for every open write, and everything but plain reads waits",
            Self::AccessExclusive => {
                "waits for everything open, and everything else waits, reads too"
            }
        }
    }
}

/// How long a statement holds on to a table once it has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// It changes the catalogue only.
    Brief,
    /// It reads or writes the whole table.
    Whole,
}

/// A lock that a statement takes on a table that others use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How strong.
    pub mode: LockMode,
    /// On what.
    pub table: String,
    /// For how long; inside a transaction it is kept until the commit.
    pub span: Span,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = match self.span {
            Span::Brief => "brief",
            Span::Whole => "for as long as it works through the table",
        };
        let Self { mode, table, .. } = self;
        write!(f, "{} on {table}, {span}: {}", mode.as_str(), mode.effect())
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal),+ $(,)?) => {
        /// What the check knows to be unsafe while the service runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule { $($(#[doc = $doc])+ $name),+ }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name that an escape takes.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

rules! {
    /// An index is built, or built again, while every write waits.
    CreateIndex = "create-index",
    /// An index is dropped while everything waits.
    DropIndex = "drop-index",
    /// What cannot run in a transaction shares its file with something else.
    Concurrently = "concurrently",
    /// A column is made `NOT NULL` by reading the whole table.
    NotNull = "not-null",
    /// A constraint is checked against every row while it is added.
    Constraint = "constraint",
    /// A key builds its index while it is added.
    Unique = "unique",
    /// A column changes its type.
    ColumnType = "column-type",
    /// A column goes that the running release may use.
    DropColumn = "drop-column",
    /// A column gets another name.
    RenameColumn = "rename-column",
    /// A table goes that the running release may use.
    DropTable = "drop-table",
    /// A table gets another name.
    RenameTable = "rename-table",
    /// A new column has a value of its own in every row.
    Default = "default",
    /// The table is written anew.
    Rewrite = "rewrite",
    /// The table is locked for as long as it takes.
    ExclusiveLock = "exclusive-lock",
    /// Many rows of a table are written in one transaction.
    Backfill = "backfill",
    /// A lock of an earlier statement is held while this one works through a table.
    LockHeld = "lock-held",
    /// The file sets the time limits that the runner has set.
    LockTimeout = "lock-timeout",
    /// The file opens or ends a transaction.
    Transaction = "transaction",
    /// The check cannot see what it does.
    Opaque = "opaque",
    /// An escape that allows nothing.
    Escape = "escape",
}

/// What to write instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// How the files below come about.
    pub note: String,
    /// The content of one migration file each, in order.
    pub files: Vec<String>,
}

/// A statement that is not safe while the service runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its file, without the folder.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its begin.
    pub head: String,
    /// What it breaks.
    pub rule: Rule,
    /// Which lock, and what waits.
    pub why: String,
    /// What to write instead.
    pub rewrite: Rewrite,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, head, rule, why, rewrite } = self;
        write!(f, "{file}:{line}: {}: {head}\n  why: {why}", rule.as_str())?;
        write!(f, "\n  fix: {}", rewrite.note)?;
        for (index, content) in rewrite.files.iter().enumerate() {
            match rewrite.files.len() {
                1 => {}
                _ => write!(f, "\n    -- file {}", index + 1)?,
            }
            for line in content.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}
