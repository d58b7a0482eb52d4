//! What reading one statement has brought to light.

use super::finding::{Lock, LockMode, Rewrite, Rule, Span};

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) locks: Vec<Lock>,
    pub(super) drafts: Vec<Draft>,
    /// It cannot run in a transaction.
    pub(super) outside: bool,
}

/// A finding without its place.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) rule: Rule,
    pub(super) why: String,
    pub(super) rewrite: Rewrite,
}

impl Notes {
    pub(super) fn lock(&mut self, mode: LockMode, table: &str, span: Span) {
        let lock = Lock { mode, table: table.to_owned(), span };
        if !self.locks.contains(&lock) {
            self.locks.push(lock);
        }
    }

    /// Reports a statement; `files` is what to write instead, one migration file each.
    pub(super) fn refuse(
        &mut self,
        rule: Rule,
        why: impl Into<String>,
        note: impl Into<String>,
        files: impl IntoIterator<Item = String>,
    ) {
        let rewrite = Rewrite { note: note.into(), files: files.into_iter().collect() };
        self.drafts.push(Draft { rule, why: why.into(), rewrite });
    }

    /// Reports what can only be allowed: no other SQL does the same.
    pub(super) fn refuse_unless_allowed(
        &mut self,
        rule: Rule,
        why: impl Into<String>,
        note: &str,
        reason: &str,
        statement: &str,
    ) {
        let allowed =
            format!("-- mainstay: allow {} because {reason}\n{statement};", rule.as_str());
        self.refuse(rule, why, note, [allowed]);
    }
}
