//! The rules over what takes a table for itself: `DROP`, `TRUNCATE`, `LOCK`, and maintenance.

use super::{
    finding::{
        LockMode::{self, AccessExclusive, Share, ShareUpdateExclusive},
        Rule,
        Span::{self, Brief, Whole},
    },
    statement::Cursor,
    statements::Reading,
};

impl Reading<'_> {
    pub(super) fn drop(&mut self, mut cursor: Cursor<'_, '_>) {
        const TABLES: &[&str] = &["TABLE", "VIEW", "MATERIALIZED VIEW", "SCHEMA", "FOREIGN TABLE"];
        const BRIEF: &[&str] = &["TRIGGER", "POLICY", "RULE"];
        const ALONE: &[&str] = &[
            "FUNCTION",
            "PROCEDURE",
            "AGGREGATE",
            "SEQUENCE",
            "TYPE",
            "DOMAIN",
            "EXTENSION",
            "ROLE",
            "STATISTICS",
        ];
        if cursor.eat("INDEX") {
            return self.drop_index(cursor);
        }
        if cursor.eat_any(TABLES).is_some() {
            return self.drop_tables(cursor);
        }
        if cursor.eat_any(BRIEF).is_some() {
            let table = cursor.find("ON").and_then(|mut rest| rest.name());
            if let Some(table) = table.filter(|table| !self.schema.is_new(table)) {
                self.notes.lock(AccessExclusive, &table, Brief);
            }
            return;
        }
        if cursor.eat_any(ALONE).is_none() {
            self.opaque();
        }
    }

    fn drop_index(&mut self, mut cursor: Cursor<'_, '_>) {
        let concurrently = cursor.eat("CONCURRENTLY");
        self.notes.outside = concurrently;
        cursor.eat("IF EXISTS");
        for mut item in cursor.items() {
            let Some(index) = item.name() else { continue };
            let table = self.schema.table_of(&index).unwrap_or("its table").to_owned();
            let new = self.schema.index_is_new(&index);
            self.schema.drop_index(&index);
            if new {
                continue;
            }
            let mode = if concurrently { ShareUpdateExclusive } else { AccessExclusive };
            self.notes.lock(mode, &table, Brief);
            if !concurrently {
                self.notes.refuse(
                    Rule::DropIndex,
                    format!("ACCESS EXCLUSIVE on {table}: queries wait while it waits its turn"),
                    "drop it beside them, in a file of its own:",
                    [format!("DROP INDEX CONCURRENTLY IF EXISTS {index};")],
                );
            }
        }
    }

    fn drop_tables(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("IF EXISTS");
        for mut item in cursor.items() {
            let Some(table) = item.name() else { continue };
            let new = self.schema.is_new(&table);
            self.schema.drop_table(&table);
            if new {
                continue;
            }
            self.notes.lock(AccessExclusive, &table, Brief);
            let text = self.text.clone();
            self.notes.refuse_unless_allowed(
                Rule::DropTable,
                format!(
                    "ACCESS EXCLUSIVE on {table}, and the release that runs while this is applied \
                     may still use it"
                ),
                "first deploy a release that does not use it; in the release after that:",
                "no release that still runs uses it",
                &text,
            );
        }
    }

    pub(super) fn truncate(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("TABLE");
        cursor.eat("ONLY");
        for mut item in cursor.items() {
            let table = item.name().filter(|table| !self.schema.is_new(table));
            let Some(table) = table else { continue };
            self.exclusively(
                &table,
                Brief,
                "delete in batches, which a job repeats until nothing is left:",
                [format!(
                    "DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} LIMIT 1000);"
                )],
            );
        }
    }

    pub(super) fn lock_table(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("TABLE");
        cursor.eat("ONLY");
        for mut item in cursor.items() {
            let table = item.name().filter(|table| !self.schema.is_new(table));
            let Some(table) = table else { continue };
            let note = "leave it out: each statement takes the lock that it needs";
            self.exclusively(&table, Whole, note, []);
        }
    }

    pub(super) fn cluster(&mut self, mut cursor: Cursor<'_, '_>) {
        cursor.eat("VERBOSE");
        let table = cursor.name().unwrap_or_else(|| "every clustered table".to_owned());
        if !self.schema.is_new(&table) {
            let note = "leave it out; pg_repack orders a table beside its users";
            self.exclusively(&table, Whole, note, []);
        }
    }

    pub(super) fn vacuum(&mut self, cursor: Cursor<'_, '_>) {
        self.notes.outside = true;
        if cursor.has("FULL") {
            let note = "leave FULL out, in a file of its own; pg_repack shrinks a table beside its \
                        users:";
            self.exclusively("the table", Whole, note, ["VACUUM;".to_owned()]);
        }
    }

    pub(super) fn reindex(&mut self, mut cursor: Cursor<'_, '_>) {
        let options = cursor.parenthesized();
        let kind = cursor.eat_any(&["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"]);
        let by_option = options.is_some_and(|options| options.has("CONCURRENTLY"));
        let concurrently = cursor.eat("CONCURRENTLY") || by_option;
        self.notes.outside = concurrently;
        let Some(name) = cursor.name() else { return self.opaque() };
        if self.schema.is_new(&name) || self.schema.index_is_new(&name) {
            return;
        }
        let table = self.schema.table_of(&name).unwrap_or(&name).to_owned();
        let mode = if concurrently { ShareUpdateExclusive } else { Share };
        self.notes.lock(mode, &table, Whole);
        if !concurrently {
            let kind = kind.unwrap_or("INDEX");
            self.notes.refuse(
                Rule::CreateIndex,
                format!("SHARE on {table}: every write waits, and so do reads by this index"),
                "build it again beside the writers, in a file of its own:",
                [format!("REINDEX {kind} CONCURRENTLY {name};")],
            );
        }
    }

    pub(super) fn refresh(&mut self, mut cursor: Cursor<'_, '_>) {
        let concurrently = cursor.eat("CONCURRENTLY");
        let Some(view) = cursor.name() else { return self.opaque() };
        if concurrently {
            self.notes.lock(LockMode::Exclusive, &view, Whole);
            return;
        }
        self.exclusively(
            &view,
            Whole,
            "refresh it beside its readers, which needs a unique index on it:",
            [format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {view};")],
        );
    }

    fn exclusively(
        &mut self,
        table: &str,
        span: Span,
        note: &str,
        files: impl IntoIterator<Item = String>,
    ) {
        self.notes.lock(AccessExclusive, table, span);
        let why = format!("ACCESS EXCLUSIVE on {table}: everything waits until it is done");
        self.notes.refuse(Rule::ExclusiveLock, why, note, files);
    }
}
