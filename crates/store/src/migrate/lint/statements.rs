//! The rules over statements, but for `ALTER TABLE`.

use super::{
    alter,
    finding::{
        LockMode::{self, ShareUpdateExclusive},
        LockMode::{
            AccessExclusive, AccessShare, RowExclusive, RowShare, Share, ShareRowExclusive,
        },
        Rule,
        Span::{Brief, Whole},
    },
    notes::Notes,
    schema::Schema,
    statement::{Cursor, Statement, joined},
    token::{Kind, Token},
};

/// What a statement can begin with, when there are rules for it.
const HEADS: &[&str] = &[
    "CREATE",
    "ALTER TABLE",
    "DROP",
    "TRUNCATE",
    "LOCK",
    "CLUSTER",
    "VACUUM",
    "REINDEX",
    "REFRESH MATERIALIZED VIEW",
    "UPDATE",
    "DELETE FROM",
    "INSERT INTO",
    "WITH",
    "SET",
    "RESET",
    "SELECT",
    "ALTER INDEX",
];

/// Reads one statement, and lets the schema follow.
pub(super) fn inspect(statement: &Statement<'_>, schema: &mut Schema) -> Notes {
    let mut reading = Reading { notes: Notes::default(), schema, text: statement.text() };
    let mut cursor = statement.cursor();
    match cursor.eat_any(HEADS).unwrap_or_default() {
        "CREATE" => reading.create(cursor),
        "ALTER TABLE" => alter::inspect(&mut reading, cursor),
        "DROP" => reading.drop(cursor),
        "TRUNCATE" => reading.truncate(cursor),
        "LOCK" => reading.lock_table(cursor),
        "CLUSTER" => reading.cluster(cursor),
        "VACUUM" => reading.vacuum(cursor),
        "REINDEX" => reading.reindex(cursor),
        "REFRESH MATERIALIZED VIEW" => reading.refresh(cursor),
        "UPDATE" => reading.rewrite_rows(cursor, "UPDATE"),
        "DELETE FROM" => reading.rewrite_rows(cursor, "DELETE"),
        "INSERT INTO" => reading.insert(cursor),
        "WITH" => reading.with(cursor),
        "SET" | "RESET" => reading.set(cursor),
        "SELECT" => reading.select(cursor),
        "ALTER INDEX" => {}
        _ => reading.other(cursor),
    }
    reading.notes
}

/// The name that `CREATE INDEX CONCURRENTLY` gives.
pub(super) fn index_created(statement: &Statement<'_>) -> Option<String> {
    let mut cursor = statement.cursor();
    cursor.eat_any(&["CREATE INDEX", "CREATE UNIQUE INDEX"])?;
    cursor.eat("CONCURRENTLY");
    cursor.eat("IF NOT EXISTS");
    if cursor.eat("ON") { None } else { cursor.name() }
}

/// A statement being read.
pub(super) struct Reading<'s> {
    pub(super) notes: Notes,
    pub(super) schema: &'s mut Schema,
    /// On one line.
    pub(super) text: String,
}

/// What needs no lock on a table that others use, or one that nobody notices.
const HARMLESS: &[&str] = &[
    "ANALYZE",
    "COMMENT ON",
    "GRANT",
    "REVOKE",
    "VALUES",
    "ALTER SEQUENCE",
    "ALTER TYPE",
    "ALTER FUNCTION",
    "ALTER PROCEDURE",
    "ALTER EXTENSION",
    "ALTER ROLE",
    "ALTER DEFAULT PRIVILEGES",
    "ALTER POLICY",
];

/// What opens or ends a transaction.
const TRANSACTION: &[&str] = &[
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT",
    "RELEASE",
    "PREPARE TRANSACTION",
];

/// Whether a statement opens or ends a transaction.
pub(super) fn controls_transaction(mut statement: Cursor<'_, '_>) -> bool {
    statement.eat_any(TRANSACTION).is_some()
}

/// What can be created without anybody waiting.
const CREATED_ALONE: &[&str] = &[
    "VIEW",
    "MATERIALIZED VIEW",
    "RECURSIVE VIEW",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "SEQUENCE",
    "TYPE",
    "DOMAIN",
    "EXTENSION",
    "SCHEMA",
    "ROLE",
    "COLLATION",
    "CAST",
    "OPERATOR",
    "TEXT SEARCH",
    "STATISTICS",
    "PUBLICATION",
];

/// What is created on a table: its words, the word before the table, and the lock that takes.
const CREATED_ON: &[(&str, &str, LockMode)] = &[
    ("TRIGGER", "ON", ShareRowExclusive),
    ("CONSTRAINT TRIGGER", "ON", ShareRowExclusive),
    ("POLICY", "ON", AccessExclusive),
    ("RULE", "TO", AccessExclusive),
];

impl Reading<'_> {
    fn create(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("OR REPLACE");
        let _ = cursor.eat_any(&["GLOBAL", "LOCAL"]);
        let _ = cursor.eat_any(&["TEMP", "TEMPORARY", "UNLOGGED"]);
        if cursor.eat("TABLE") {
            return self.create_table(cursor);
        }
        if let Some(what) = cursor.eat_any(&["INDEX", "UNIQUE INDEX"]) {
            return self.create_index(what, cursor);
        }
        let on = CREATED_ON.iter().find(|(words, ..)| cursor.eat(words));
        if let Some((_, before, mode)) = on {
            let table = cursor.find(before).and_then(|mut rest| rest.name());
            if let Some(table) = table.filter(|table| !self.schema.is_new(table)) {
                self.notes.lock(*mode, &table, Brief);
            }
            return;
        }
        if cursor.eat_any(CREATED_ALONE).is_none() {
            self.opaque();
        }
    }

    fn create_table(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("IF NOT EXISTS");
        let Some(table) = cursor.name() else { return self.opaque() };
        self.schema.create_table(&table);
        let mut rest = cursor;
        while let Some(mut after) = rest.find("REFERENCES") {
            let parent = after.name().filter(|parent| !self.schema.is_new(parent));
            if let Some(parent) = parent {
                self.notes.lock(ShareRowExclusive, &parent, Brief);
            }
            rest = after;
        }
        if cursor.eat("PARTITION OF") {
            let parent = cursor.name().filter(|parent| !self.schema.is_new(parent));
            if let Some(parent) = parent {
                self.notes.lock(AccessExclusive, &parent, Brief);
            }
        }
    }

    fn create_index(&mut self, what: &str, mut cursor: Cursor<'_, '_>) {
        let concurrently = cursor.eat("CONCURRENTLY");
        cursor.eat("IF NOT EXISTS");
        let rest = cursor.text();
        let name = if cursor.eat("ON") {
            None
        } else {
            let name = cursor.name();
            cursor.eat("ON");
            name
        };
        let named = name.is_some();
        let only = cursor.eat("ONLY");
        let Some(table) = cursor.name() else { return self.opaque() };
        if let Some(name) = name {
            self.schema.create_index(name, &table);
        }
        self.notes.outside = concurrently;
        if self.schema.is_new(&table) {
            return;
        }
        if concurrently {
            self.notes.lock(ShareUpdateExclusive, &table, Whole);
            return;
        }
        if only {
            // An index of a partitioned table alone holds no rows.
            self.notes.lock(Share, &table, Brief);
            return;
        }
        self.notes.lock(Share, &table, Whole);
        self.notes.refuse(
            Rule::CreateIndex,
            format!("SHARE on {table}: every write waits until the index is built"),
            "build it beside the writers, in a file of its own:",
            [format!("CREATE {what} CONCURRENTLY {};", if_not_exists(&rest, named))],
        );
    }

    /// `UPDATE` and `DELETE`: of many rows only in batches.
    fn rewrite_rows(&mut self, mut cursor: Cursor<'_, '_>, verb: &str) {
        cursor.eat("ONLY");
        let table = cursor.name().filter(|table| !self.schema.is_new(table));
        let Some(table) = table else { return };
        let in_batches = cursor.find("WHERE").is_some_and(|condition| condition.has("LIMIT"));
        self.notes.lock(RowExclusive, &table, if in_batches { Brief } else { Whole });
        if in_batches {
            return;
        }
        let end = cursor.tokens.iter().position(|token| token.is("WHERE"));
        let (change, condition) = cursor.tokens.split_at(end.unwrap_or(cursor.tokens.len()));
        let begin = if verb == "DELETE" { "DELETE FROM" } else { verb };
        let batch =
            [format!("SELECT ctid FROM {table}"), joined(condition), "LIMIT 1000".to_owned()];
        let batch = batch.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let start = format!("{begin} {table} {}", joined(change));
        self.notes.refuse(
            Rule::Backfill,
            format!(
                "ROW EXCLUSIVE on {table}: who writes a row that this {verb} has touched waits \
                 until all of it is committed"
            ),
            "do it in batches, which a job of the service repeats until nothing is left:",
            [format!("{} WHERE ctid IN ({batch});", start.trim_end())],
        );
    }

    fn insert(&mut self, mut cursor: Cursor<'_, '_>) {
        let table = cursor.name().filter(|table| !self.schema.is_new(table));
        let span = if cursor.has("FROM") { Whole } else { Brief };
        match table {
            Some(table) => self.notes.lock(RowExclusive, &table, span),
            None => self.reads(cursor),
        }
    }

    fn with(&mut self, cursor: Cursor<'_, '_>) {
        for (words, verb) in
            [("DELETE FROM", "DELETE"), (") UPDATE", "UPDATE"), ("( UPDATE", "UPDATE")]
        {
            if let Some(rest) = cursor.find(words) {
                self.rewrite_rows(rest, verb);
            }
        }
        if let Some(rest) = cursor.find("INSERT INTO") {
            self.insert(rest);
        }
    }

    fn select(&mut self, cursor: Cursor<'_, '_>) {
        let sets = cursor
            .tokens
            .iter()
            .any(|token| token.kind == Kind::Text && is_time_limit(token.text.trim_matches('\'')));
        if sets && cursor.has("set_config") {
            self.sets_time_limit();
        }
        self.reads(cursor);
    }

    /// Locks of the tables that a query reads.
    fn reads(&mut self, cursor: Cursor<'_, '_>) {
        let mode = if cursor.has("FOR UPDATE") { RowShare } else { AccessShare };
        let mut rest = cursor;
        while let Some(mut after) = rest.find("FROM") {
            let table = after.name().filter(|table| !self.schema.is_new(table));
            if let Some(table) = table {
                self.notes.lock(mode, &table, Whole);
            }
            rest = after;
        }
    }

    fn set(&mut self, cursor: Cursor<'_, '_>) {
        let limits = |cursor: &Cursor<'_, '_>| {
            let mut names = cursor.tokens.iter().filter_map(Token::identifier);
            names.any(|name| is_time_limit(&name))
        };
        let everything = cursor.tokens.len() == 1 && cursor.has("ALL");
        if limits(&cursor) || everything {
            self.sets_time_limit();
        }
    }

    fn sets_time_limit(&mut self) {
        self.notes.refuse(
            Rule::LockTimeout,
            "the runner has set a lock_timeout, so that a statement which waits for a lock gives \
             up before a queue has formed behind it; this replaces it",
            "leave it out",
            [],
        );
    }

    fn other(&mut self, mut cursor: Cursor<'_, '_>) {
        if cursor.eat_any(HARMLESS).is_some() {
            return;
        }
        if controls_transaction(cursor) {
            self.notes.refuse(
                Rule::Transaction,
                "it opens or ends a transaction, and the file is one already",
                "leave it out",
                [],
            );
            return;
        }
        self.opaque();
    }

    pub(super) fn opaque(&mut self) {
        let text = self.text.clone();
        self.notes.refuse_unless_allowed(
            Rule::Opaque,
            "the check cannot see what it locks, and for how long",
            "write it as plain statements, or say why it is safe:",
            "it touches no table that is in use",
            &text,
        );
    }
}

/// A run after a crash finds the index there. Without a name PostgreSQL would choose another.
fn if_not_exists(rest: &str, named: bool) -> String {
    if named { format!("IF NOT EXISTS {rest}") } else { rest.to_owned() }
}

fn is_time_limit(name: &str) -> bool {
    ["lock_timeout", "statement_timeout", "transaction_timeout"]
        .iter()
        .any(|limit| name.eq_ignore_ascii_case(limit))
}
