//! What a statement does, by its first word: enough to keep a shared connection clean.

use crate::error::{Cause, StoreError};

/// What the caller of a statement may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Anything that stays inside the transaction.
    Transaction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
    /// `WITH`: either.
    Unknown,
    /// Ends with the transaction.
    Transaction,
    /// Outlives the statement: the next user of the connection would find it.
    Session,
}

/// First words that change what later statements on the connection mean, or that wait for data.
const SESSION: &[&str] = &[
    "ABORT",
    "BEGIN",
    "CLOSE",
    "COMMIT",
    "COPY",
    "DEALLOCATE",
    "DECLARE",
    "DISCARD",
    "END",
    "EXECUTE",
    "FETCH",
    "LISTEN",
    "LOAD",
    "MOVE",
    "PREPARE",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "START",
    "UNLISTEN",
];

const READING: &[&str] = &["EXPLAIN", "SELECT", "SHOW", "TABLE", "VALUES"];

/// Refuses a statement that the caller may not run.
pub(super) fn check(sql: &'static str, access: Access) -> Result<(), StoreError> {
    let refused = match (effect(sql), access) {
        (Effect::Session, _) => "would outlive itself on its connection; transactions use `begin`",
        (Effect::Transaction, Access::Read | Access::Write) => {
            "means nothing outside a transaction"
        }
        (Effect::Writes, Access::Read) => "writes: `execute` and `execute_returning` are for that",
        _ => return Ok(()),
    };
    Err(StoreError::Internal(Cause::text(format!("`{sql}` {refused}"))))
}

/// Whether the count of rows that the server reports is one of changed rows.
pub(super) fn counts_changes(sql: &'static str) -> bool {
    effect(sql) != Effect::Reads
}

fn effect(sql: &str) -> Effect {
    let (first, rest) = word(sql);
    let is = |known: &&str| known.eq_ignore_ascii_case(first);
    if READING.iter().any(&is) {
        return Effect::Reads;
    }
    if is(&"WITH") {
        return Effect::Unknown;
    }
    if is(&"SET") {
        let (second, _) = word(rest);
        let scoped = ["LOCAL", "CONSTRAINTS", "TRANSACTION"];
        let scoped = scoped.iter().any(|known| known.eq_ignore_ascii_case(second));
        return if scoped { Effect::Transaction } else { Effect::Session };
    }
    if SESSION.iter().any(is) { Effect::Session } else { Effect::Writes }
}

/// The first word, and what follows it.
pub(super) fn word(sql: &str) -> (&str, &str) {
    let sql = start(sql);
    let end = sql.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(sql.len());
    sql.split_at(end)
}

/// Leaves out white space, comments and opening brackets.
fn start(mut sql: &str) -> &str {
    // Most statements begin with their first word.
    while !sql.starts_with(|first: char| first.is_ascii_alphabetic()) {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if let Some(comment) = sql.strip_prefix("--") {
            sql = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = sql.strip_prefix("/*") {
            sql = after_comment(comment);
        } else {
            break;
        }
    }
    sql
}

/// Comments between `/*` and `*/` may contain each other.
pub(super) fn after_comment(mut sql: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let Some(at) = sql.find("*/") else { return "" };
        if let Some(open) = sql.find("/*").filter(|open| *open < at) {
            depth += 1;
            sql = &sql[open + 2..];
        } else {
            depth -= 1;
            sql = &sql[at + 2..];
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_its_first_word() {
        for (sql, expected) in [
            ("SELECT 1", Effect::Reads),
            (" -- a\n /* b /* c */ d */ (select 1)", Effect::Reads),
            ("with a as (select 1) select * from a", Effect::Unknown),
            ("INSERT INTO t VALUES (1)", Effect::Writes),
            ("CREATE TABLE t (a bigint)", Effect::Writes),
            ("begin", Effect::Session),
            ("/* x */ COMMIT;", Effect::Session),
            ("SET search_path = a", Effect::Session),
            ("SET LOCAL search_path = a", Effect::Transaction),
            ("COPY t FROM STDIN", Effect::Session),
            ("", Effect::Writes),
            ("/* open", Effect::Writes),
        ] {
            assert_eq!(effect(sql), expected, "{sql}");
        }
    }

    #[test]
    fn who_reads_may_not_write_and_nobody_may_change_the_connection() {
        check("DELETE FROM t", Access::Read).expect_err("writes");
        check("DELETE FROM t", Access::Write).expect("may write");
        check("SET LOCAL a = 1", Access::Write).expect_err("no transaction");
        check("SET LOCAL a = 1", Access::Transaction).expect("ends with it");
        check("ROLLBACK", Access::Transaction).expect_err("has its own function");
    }
}
