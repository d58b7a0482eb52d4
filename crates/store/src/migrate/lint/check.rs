//! From a file to the locks and findings of its statements.

use super::{
    PlannedStatement,
    escape::{Escape, escape},
    finding::{Finding, Lock, LockMode, Rewrite, Rule, Span},
    notes::{Draft, Notes},
    schema::Schema,
    statement::{Script, Statement, script},
    statements,
};

/// How much of a statement is shown: with the place before it, a line of a terminal.
const HEAD_MAX: usize = 72;

/// Reads the files of a history, in order.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Checker {
    schema: Schema,
}

impl Checker {
    /// What has been read so far is in use from here on.
    pub(in crate::migrate) fn release(&mut self) {
        self.schema.release();
    }

    /// Reads the next file.
    pub(in crate::migrate) fn read(&mut self, file: &str, sql: &str) -> Vec<PlannedStatement> {
        let script = script(sql);
        let alone = script.statements.len() == 1;
        let mut held = None;
        let mut read = Vec::with_capacity(script.statements.len());
        for statement in &script.statements {
            let mut notes = statements::inspect(statement, &mut self.schema);
            notes.judge_company(alone, statement);
            notes.judge_held(held.as_ref(), statement);
            held = held.or_else(|| notes.locks.iter().find(|lock| holds_up(lock)).cloned());
            read.push(planned(file, statement, notes));
        }
        if let Some(first) = read.first_mut() {
            first.findings.extend(loose_escapes(file, &script));
        }
        read
    }
}

/// A file whose only statement cannot run in a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::migrate) struct Outside {
    /// What `CREATE INDEX` leaves half built when it fails.
    pub(in crate::migrate) index: Option<String>,
}

/// Whether a file has to run outside a transaction.
pub(in crate::migrate) fn outside_transaction(sql: &str) -> Option<Outside> {
    let script = script(sql);
    let [statement] = script.statements.as_slice() else { return None };
    let notes = statements::inspect(statement, &mut Schema::default());
    notes.outside.then(|| Outside { index: statements::index_created(statement) })
}

/// Whether a file opens or ends a transaction.
pub(in crate::migrate) fn controls_transaction(sql: &str) -> bool {
    let statements = script(sql).statements;
    statements.iter().any(|statement| statements::controls_transaction(statement.cursor()))
}

/// Whether a lock that is kept until the commit is felt.
fn holds_up(lock: &Lock) -> bool {
    lock.mode >= LockMode::Share
}

impl Notes {
    fn judge_company(&mut self, alone: bool, statement: &Statement<'_>) {
        if self.outside && !alone {
            self.refuse(
                Rule::Concurrently,
                "it cannot run in a transaction, and a file with other statements is one",
                "put it into a file of its own:",
                [format!("{};", statement.text())],
            );
        }
    }

    fn judge_held(&mut self, held: Option<&Lock>, statement: &Statement<'_>) {
        let Some(held) = held else { return };
        let works = self.locks.iter().find(|lock| lock.span == Span::Whole).cloned();
        let Some(works) = works else { return };
        let (mode, table) = (held.mode.as_str(), &held.table);
        self.refuse(
            Rule::LockHeld,
            format!(
                "{mode} on {table}, from an earlier statement of the file, is held until the \
                 commit, and this works through {} before that",
                works.table
            ),
            "put it into a file of its own:",
            [format!("{};", statement.text())],
        );
    }
}

fn planned(file: &str, statement: &Statement<'_>, notes: Notes) -> PlannedStatement {
    let Notes { locks, mut drafts, outside } = notes;
    let escapes: Vec<_> = statement.comments.iter().filter_map(escape).collect();
    drafts.retain(|draft| !escapes.contains(&Escape::Allow(draft.rule)));
    for escape in escapes {
        if let Escape::Broken(why) = escape {
            drafts.push(broken(why));
        }
    }
    let (line, head) = (statement.line(), head(statement));
    let findings = drafts.into_iter().map(|Draft { rule, why, rewrite }| {
        let (file, head) = (file.to_owned(), head.clone());
        Finding { file, line, head, rule, why, rewrite }
    });
    let findings = findings.collect();
    PlannedStatement { line, head, locks, outside_transaction: outside, findings }
}

fn broken(why: String) -> Draft {
    let note = "say which rule, and why: `-- mainstay: allow RULE because REASON`";
    Draft { rule: Rule::Escape, why, rewrite: Rewrite { note: note.to_owned(), files: Vec::new() } }
}

/// Escapes that stand above no statement: whoever wrote one believes that it allows something.
fn loose_escapes<'s>(file: &'s str, script: &'s Script<'_>) -> impl Iterator<Item = Finding> + 's {
    let escapes = script.loose.iter().filter(|comment| escape(comment).is_some());
    escapes.map(move |comment| {
        let Draft { rule, why, rewrite } =
            broken("it stands above no statement, and allows nothing".to_owned());
        let head = shortened(comment.text);
        Finding { file: file.to_owned(), line: comment.line, head, rule, why, rewrite }
    })
}

fn head(statement: &Statement<'_>) -> String {
    shortened(&statement.text())
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(HEAD_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}
