//! What is known about the schema at a point of the history of files.

use std::collections::{BTreeMap, BTreeSet};

/// Follows the files, statement by statement.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// Every table that a file has created.
    known: BTreeSet<String>,
    /// Tables that nobody uses yet: created by what is being checked.
    new: BTreeSet<String>,
    /// The table of each index.
    indexes: BTreeMap<String, String>,
    /// `CHECK (… IS NOT NULL)` by table and name.
    checks: BTreeMap<(String, String), NotNullCheck>,
}

#[derive(Debug)]
struct NotNullCheck {
    column: String,
    valid: bool,
}

impl Schema {
    /// What has been created so far is in use from now on.
    pub(super) fn release(&mut self) {
        self.new.clear();
    }

    pub(super) fn is_new(&self, table: &str) -> bool {
        self.new.contains(table)
    }

    /// Whether the table of an index is new.
    pub(super) fn index_is_new(&self, index: &str) -> bool {
        self.indexes.get(index).is_some_and(|table| self.is_new(table))
    }

    pub(super) fn table_of(&self, index: &str) -> Option<&str> {
        self.indexes.get(index).map(String::as_str)
    }

    /// `IF NOT EXISTS` creates nothing where a file has created it before.
    pub(super) fn create_table(&mut self, table: &str) {
        if self.known.insert(table.to_owned()) {
            self.new.insert(table.to_owned());
        }
    }

    pub(super) fn drop_table(&mut self, table: &str) {
        self.known.remove(table);
        self.new.remove(table);
        self.checks.retain(|(of, _), _| of != table);
        self.indexes.retain(|_, of| of != table);
    }

    pub(super) fn rename_table(&mut self, from: &str, to: &str) {
        let was_new = self.is_new(from);
        self.drop_table(from);
        self.known.insert(to.to_owned());
        if was_new {
            self.new.insert(to.to_owned());
        }
    }

    pub(super) fn create_index(&mut self, index: String, table: &str) {
        self.indexes.insert(index, table.to_owned());
    }

    pub(super) fn drop_index(&mut self, index: &str) {
        self.indexes.remove(index);
    }

    pub(super) fn add_check(&mut self, table: &str, name: String, column: String, valid: bool) {
        self.checks.insert((table.to_owned(), name), NotNullCheck { column, valid });
    }

    pub(super) fn validate(&mut self, table: &str, constraint: &str) {
        if let Some(check) = self.checks.get_mut(&(table.to_owned(), constraint.to_owned())) {
            check.valid = true;
        }
    }

    pub(super) fn drop_constraint(&mut self, table: &str, constraint: &str) {
        self.checks.remove(&(table.to_owned(), constraint.to_owned()));
    }

    /// Whether a validated check proves that the column has no null: then PostgreSQL (12 and later)
    /// does not look for one.
    pub(super) fn proves_not_null(&self, table: &str, column: &str) -> bool {
        let of_table = self.checks.iter().filter(|((of, _), _)| of == table);
        of_table.into_iter().any(|(_, check)| check.valid && check.column == column)
    }
}
