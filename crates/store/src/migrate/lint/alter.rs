//! The rules over `ALTER TABLE`, action by action.

use super::{
    column,
    finding::{
        LockMode::{self, AccessExclusive, ShareRowExclusive, ShareUpdateExclusive},
        Rule,
        Span::{Brief, Whole},
    },
    statement::Cursor,
    statements::Reading,
};

/// Changes of the catalogue that nobody has to wait for longer than the lock takes, with their
/// lock; compared with what `pg_locks` shows on PostgreSQL 15.
const BRIEF: &[(&str, LockMode)] = &[
    ("ENABLE TRIGGER", ShareRowExclusive),
    ("DISABLE TRIGGER", ShareRowExclusive),
    ("CLUSTER ON", ShareUpdateExclusive),
    ("SET WITHOUT CLUSTER", ShareUpdateExclusive),
    ("SET (", ShareUpdateExclusive),
    ("RESET (", ShareUpdateExclusive),
    ("ENABLE", AccessExclusive),
    ("DISABLE", AccessExclusive),
    ("FORCE", AccessExclusive),
    ("NO FORCE", AccessExclusive),
    ("OWNER TO", AccessExclusive),
    ("REPLICA IDENTITY", AccessExclusive),
    ("INHERIT", AccessExclusive),
    ("NO INHERIT", AccessExclusive),
    ("ALTER CONSTRAINT", AccessExclusive),
    ("RENAME CONSTRAINT", AccessExclusive),
];

/// Changes that write every row anew.
const REWRITING: &[&str] = &["SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD"];

/// The kinds of constraint of a table.
const CONSTRAINTS: &[&str] =
    &["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK", "EXCLUDE", "NOT NULL"];

pub(super) fn inspect(reading: &mut Reading<'_>, mut cursor: Cursor<'_, '_>) {
    cursor.eat("IF EXISTS");
    cursor.eat("ONLY");
    let Some(table) = cursor.name() else { return reading.opaque() };
    cursor.eat("*");
    for action in cursor.items() {
        let action = Action { table: &table, cursor: action };
        if reading.schema.is_new(&table) {
            action.on_new_table(reading);
        } else {
            action.on_used_table(reading);
        }
    }
}

/// One of the actions between the commas.
pub(super) struct Action<'t, 'a, 's> {
    pub(super) table: &'t str,
    pub(super) cursor: Cursor<'a, 's>,
}

impl Action<'_, '_, '_> {
    /// Nobody waits; what it refers to may be in use.
    fn on_new_table(mut self, reading: &mut Reading<'_>) {
        self.lock_parent(reading);
        if self.cursor.eat("RENAME TO")
            && let Some(to) = self.cursor.name()
        {
            reading.schema.rename_table(self.table, &to);
        }
    }

    fn on_used_table(mut self, reading: &mut Reading<'_>) {
        if self.cursor.eat("ADD") {
            return self.add(reading);
        }
        if self.cursor.eat("VALIDATE CONSTRAINT") {
            reading.notes.lock(ShareUpdateExclusive, self.table, Whole);
            if let Some(name) = self.cursor.name() {
                reading.schema.validate(self.table, &name);
            }
            return;
        }
        if self.cursor.eat("ATTACH PARTITION") {
            return reading.notes.lock(ShareUpdateExclusive, self.table, Brief);
        }
        if self.cursor.eat("DETACH PARTITION") {
            return self.detach(reading);
        }
        if let Some(what) = self.cursor.eat_any(REWRITING) {
            return self.rewrites(reading, what);
        }
        if let Some((_, mode)) = BRIEF.iter().find(|(words, _)| self.cursor.eat(words)) {
            return reading.notes.lock(*mode, self.table, Brief);
        }
        if self.cursor.eat("ALTER") {
            return column::alter(self, reading);
        }
        reading.notes.lock(AccessExclusive, self.table, Brief);
        if self.cursor.eat("DROP CONSTRAINT") {
            self.cursor.eat("IF EXISTS");
            if let Some(name) = self.cursor.name() {
                reading.schema.drop_constraint(self.table, &name);
            }
            return;
        }
        if self.cursor.eat("DROP") {
            return self.drop_column(reading);
        }
        if self.cursor.eat("RENAME") {
            return self.rename(reading);
        }
        if self.cursor.eat("SET SCHEMA") {
            return self.rename_table(reading);
        }
        reading.opaque();
    }

    /// A reference locks the table that it points to.
    pub(super) fn lock_parent(&self, reading: &mut Reading<'_>) {
        let parent = self.cursor.find("REFERENCES").and_then(|mut rest| rest.name());
        let parent = parent.filter(|parent| !reading.schema.is_new(parent));
        if let Some(parent) = parent.filter(|parent| parent != self.table) {
            reading.notes.lock(ShareRowExclusive, &parent, Brief);
        }
    }

    fn add(mut self, reading: &mut Reading<'_>) {
        let whole = self.cursor;
        let name = if self.cursor.eat("CONSTRAINT") { self.cursor.name() } else { None };
        let kind = self.cursor.eat_any(CONSTRAINTS);
        match kind {
            Some("PRIMARY KEY" | "UNIQUE") => self.add_key(reading, name, kind.unwrap_or_default()),
            Some("EXCLUDE") => {
                reading.notes.lock(AccessExclusive, self.table, Whole);
                let text = reading.text.clone();
                reading.notes.refuse_unless_allowed(
                    Rule::Constraint,
                    format!("ACCESS EXCLUSIVE on {}: everything waits for its index", self.table),
                    "it cannot be added beside writers; when the table is small, or in a pause:",
                    "the table is small",
                    &text,
                );
            }
            Some(kind) => self.add_constraint(reading, name, kind, whole),
            None => column::add(self, reading),
        }
    }

    fn add_key(mut self, reading: &mut Reading<'_>, name: Option<String>, kind: &str) {
        if self.cursor.has("USING INDEX") {
            return reading.notes.lock(AccessExclusive, self.table, Brief);
        }
        reading.notes.lock(AccessExclusive, self.table, Whole);
        let columns = self.cursor.parenthesized().map(|c| c.text()).unwrap_or_default();
        let table = self.table;
        let suffix = if kind == "UNIQUE" { "key" } else { "pkey" };
        let name = name.unwrap_or_else(|| format!("{}_{suffix}", table.replace('.', "_")));
        reading.notes.refuse(
            Rule::Unique,
            format!("ACCESS EXCLUSIVE on {table}: everything waits until its index is built"),
            "build the index beside the writers, then make it the key:",
            [
                format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns});"),
                format!("ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name};"),
            ],
        );
    }

    fn add_constraint(
        self,
        reading: &mut Reading<'_>,
        name: Option<String>,
        kind: &str,
        whole: Cursor<'_, '_>,
    ) {
        let not_valid = self.cursor.has("NOT VALID");
        let mode = if kind == "FOREIGN KEY" { ShareRowExclusive } else { AccessExclusive };
        reading.notes.lock(mode, self.table, if not_valid { Brief } else { Whole });
        self.lock_parent(reading);
        let table = self.table;
        let generated = format!("{}_check", table.replace('.', "_"));
        let given = name.is_some();
        let name = name.unwrap_or(generated);
        if let Some(column) = tested_column(self.cursor).filter(|_| kind == "CHECK") {
            reading.schema.add_check(table, name.clone(), column, !not_valid);
        }
        if not_valid {
            return;
        }
        let definition =
            if given { whole.text() } else { format!("CONSTRAINT {name} {}", whole.text()) };
        let waits = match mode {
            AccessExclusive => "everything waits",
            _ => "every write waits, also on the table it refers to,",
        };
        reading.notes.refuse(
            Rule::Constraint,
            format!("{} on {table}: {waits} until every row is checked", mode.as_str()),
            "add it for new rows, and check the old ones beside the writers:",
            [
                format!("ALTER TABLE {table} ADD {definition} NOT VALID;"),
                format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};"),
            ],
        );
    }

    fn detach(self, reading: &mut Reading<'_>) {
        let concurrently = self.cursor.has("CONCURRENTLY");
        reading.notes.outside |= concurrently;
        let mode = if concurrently { ShareUpdateExclusive } else { AccessExclusive };
        reading.notes.lock(mode, self.table, Brief);
        if !concurrently {
            let text = reading.text.clone();
            reading.notes.refuse(
                Rule::ExclusiveLock,
                format!("ACCESS EXCLUSIVE on {}: queries wait while it waits", self.table),
                "detach it beside them, in a file of its own:",
                [format!("{text} CONCURRENTLY;")],
            );
        }
    }

    fn rewrites(self, reading: &mut Reading<'_>, what: &str) {
        reading.notes.lock(AccessExclusive, self.table, Whole);
        let text = reading.text.clone();
        reading.notes.refuse_unless_allowed(
            Rule::Rewrite,
            format!("ACCESS EXCLUSIVE on {}: {what} writes every row anew", self.table),
            "when the table is small, or in a pause:",
            "the table is small",
            &text,
        );
    }

    fn drop_column(mut self, reading: &mut Reading<'_>) {
        self.cursor.eat("COLUMN");
        self.cursor.eat("IF EXISTS");
        let column = self.cursor.name().unwrap_or_default();
        let text = reading.text.clone();
        reading.notes.refuse_unless_allowed(
            Rule::DropColumn,
            format!(
                "the release that runs while this is applied may still name {}.{column}",
                self.table
            ),
            "first deploy a release that does not name it; in the release after that:",
            "no release that still runs names it",
            &text,
        );
    }

    fn rename(mut self, reading: &mut Reading<'_>) {
        if self.cursor.eat("TO") {
            return self.rename_table(reading);
        }
        self.cursor.eat("COLUMN");
        let from = self.cursor.name().unwrap_or_default();
        self.cursor.eat("TO");
        let to = self.cursor.name().unwrap_or_default();
        let table = self.table;
        reading.notes.refuse(
            Rule::RenameColumn,
            format!("the release that runs while this is applied names {table}.{from}"),
            format!(
                "give the type its place; write both in one release, copy the old rows in batches, \
                 read {to} in the next, and drop {from} in the one after that:"
            ),
            [format!("ALTER TABLE {table} ADD COLUMN {to} text;")],
        );
    }

    fn rename_table(mut self, reading: &mut Reading<'_>) {
        let table = self.table;
        let to = self.cursor.name().unwrap_or_default();
        reading.schema.rename_table(table, &to);
        reading.notes.refuse(
            Rule::RenameTable,
            format!("the release that runs while this is applied names {table}"),
            "keep the name, and give the new one to a view that can be read and written:",
            [format!("CREATE VIEW {to} AS SELECT * FROM {table};")],
        );
    }
}

/// The column of a check that holds for no null: `(email IS NOT NULL)`, or that and something more.
fn tested_column(check: Cursor<'_, '_>) -> Option<String> {
    let inside = Cursor { tokens: check.tokens }.parenthesized()?;
    if inside.has("OR") {
        return None;
    }
    let at = (0..inside.tokens.len())
        .find(|at| Cursor { tokens: &inside.tokens[*at..] }.eat("IS NOT NULL"))?;
    inside.tokens[..at].last()?.identifier().map(std::borrow::Cow::into_owned)
}
