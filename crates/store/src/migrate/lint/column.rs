//! The rules over `ALTER TABLE … ADD COLUMN` and `ALTER COLUMN`, on a table in use.

use super::{
    alter::Action,
    finding::{
        LockMode::{AccessExclusive, ShareUpdateExclusive},
        Rule,
        Span::{Brief, Whole},
    },
    statement::{Cursor, joined},
    statements::Reading,
    token::{Kind, Token},
};

/// Functions whose result PostgreSQL computes once for all rows (they are stable or immutable), and
/// type names that look like one.
const COMPUTED_ONCE: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "coalesce",
    "nullif",
    "cast",
    "lower",
    "upper",
    "md5",
    "to_timestamp",
    "make_interval",
    "make_date",
    "date_trunc",
    "timezone",
    "jsonb_build_object",
    "jsonb_build_array",
    "json_build_object",
    "json_build_array",
    "row",
    "char",
    "varchar",
    "numeric",
    "decimal",
    "timestamp",
    "timestamptz",
    "interval",
    "current_timestamp",
];

/// Types that are a sequence.
const SERIAL: &[&str] = &["SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"];

/// What may follow the expression of a `DEFAULT`.
const AFTER_DEFAULT: &[&str] =
    &["NOT", "NULL", "CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "GENERATED"];

pub(super) fn add(mut action: Action<'_, '_, '_>, reading: &mut Reading<'_>) {
    action.cursor.eat("COLUMN");
    action.cursor.eat("IF NOT EXISTS");
    let Some(name) = action.cursor.name() else { return reading.opaque() };
    let table = action.table;
    let definition = action.cursor;
    let default = default_of(definition);
    let own_values = default.is_some_and(differs_by_row);
    let serial = SERIAL.iter().any(|word| definition.has(word));
    let generated = definition.has("GENERATED");
    action.lock_parent(reading);
    if own_values || serial || generated {
        reading.notes.lock(AccessExclusive, table, Whole);
        return own_value_in_every_row(reading, table, &name, definition, default);
    }
    let constraints = [("CHECK", Rule::Constraint), ("UNIQUE", Rule::Unique)];
    let key = [("PRIMARY KEY", Rule::Unique)];
    let referring = [("REFERENCES", Rule::Constraint)];
    // Without a value there is nothing to check a reference with, and PostgreSQL does not look.
    let referring = referring.into_iter().filter(|_| default.is_some());
    let mut scanning = constraints.into_iter().chain(key).chain(referring);
    if let Some((word, rule)) = scanning.find(|(word, _)| definition.has(word)) {
        reading.notes.lock(AccessExclusive, table, Whole);
        return constrained(reading, table, &name, definition, (word, rule));
    }
    reading.notes.lock(AccessExclusive, table, Brief);
    if definition.has("NOT NULL") && default.is_none() {
        let without = nullable(definition.tokens);
        reading.notes.refuse(
            Rule::NotNull,
            format!(
                "it fails where {table} has rows, and the release that runs while this is applied \
                 inserts without {name}"
            ),
            "give it a default, or allow nulls until every release writes it:",
            [format!("ALTER TABLE {table} ADD COLUMN {name} {without};")],
        );
    }
}

fn own_value_in_every_row(
    reading: &mut Reading<'_>,
    table: &str,
    name: &str,
    definition: Cursor<'_, '_>,
    default: Option<&[Token<'_>]>,
) {
    let why = format!(
        "ACCESS EXCLUSIVE on {table}: everything waits while every row is written anew, as each \
         has a value of its own"
    );
    match default {
        Some(default) => {
            // The type is what stands before `DEFAULT`.
            let at = definition.tokens.iter().position(|token| token.is("DEFAULT"));
            let kind = nullable(&definition.tokens[..at.unwrap_or(0)]);
            reading.notes.refuse(
                Rule::Default,
                why,
                "add it empty, give new rows the default, and fill the old ones in batches:",
                [format!(
                    "ALTER TABLE {table} ADD COLUMN {name} {kind};\n\
                     ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {};",
                    joined(default)
                )],
            );
        }
        None => reading.notes.refuse(
            Rule::Default,
            why,
            "add it empty, and fill it in batches:",
            [format!("ALTER TABLE {table} ADD COLUMN {name} bigint;")],
        ),
    }
}

fn constrained(
    reading: &mut Reading<'_>,
    table: &str,
    name: &str,
    definition: Cursor<'_, '_>,
    (word, rule): (&str, Rule),
) {
    let first = word.split(' ').next().unwrap_or_default();
    let starts = |token: &Token<'_>| token.is(first) || token.is("CONSTRAINT");
    let at = definition.tokens.iter().position(starts).unwrap_or(0);
    let column = joined(&definition.tokens[..at]);
    let column = if word == "PRIMARY KEY" { format!("{column} NOT NULL") } else { column };
    let add = format!("ALTER TABLE {table} ADD COLUMN {name} {};", column.trim());
    let flat = table.replace('.', "_");
    let constraint = definition.find(word).map(|mut rest| match word {
        "CHECK" => rest.parenthesized().map_or(String::new(), |c| format!("CHECK ({})", c.text())),
        _ => format!("FOREIGN KEY ({name}) REFERENCES {}", rest.text()),
    });
    let files = if rule == Rule::Unique {
        let key =
            if word == "UNIQUE" { format!("{flat}_{name}_key") } else { format!("{flat}_pkey") };
        vec![
            add,
            format!("CREATE UNIQUE INDEX CONCURRENTLY {key} ON {table} ({name});"),
            format!("ALTER TABLE {table} ADD CONSTRAINT {key} {word} USING INDEX {key};"),
        ]
    } else {
        let check = if word == "CHECK" { "check" } else { "fkey" };
        let definition = constraint.unwrap_or_default();
        let add_constraint =
            format!("ADD CONSTRAINT {flat}_{name}_{check} {definition} NOT VALID;");
        vec![
            format!("{add}\nALTER TABLE {table} {add_constraint}"),
            format!("ALTER TABLE {table} VALIDATE CONSTRAINT {flat}_{name}_{check};"),
        ]
    };
    reading.notes.refuse(
        rule,
        format!("ACCESS EXCLUSIVE on {table}: everything waits until every row is looked at"),
        "add the column first, and what it has to keep in steps:",
        files,
    );
}

/// Changes of a column that are changes of the catalogue only.
const BRIEF: &[&str] = &[
    "DROP NOT NULL",
    "SET DEFAULT",
    "DROP DEFAULT",
    "SET STORAGE",
    "SET COMPRESSION",
    "SET (",
    "RESET (",
    "ADD GENERATED",
    "SET GENERATED",
    "DROP IDENTITY",
    "DROP EXPRESSION",
    "RESTART",
    "SET INCREMENT",
    "SET START",
];

pub(super) fn alter(mut action: Action<'_, '_, '_>, reading: &mut Reading<'_>) {
    action.cursor.eat("COLUMN");
    let Some(name) = action.cursor.name() else { return reading.opaque() };
    let table = action.table;
    if action.cursor.eat("SET NOT NULL") {
        return set_not_null(reading, table, &name);
    }
    if action.cursor.eat("TYPE") || action.cursor.eat("SET DATA TYPE") {
        reading.notes.lock(AccessExclusive, table, Whole);
        let kind = action.cursor.items().first().map(Cursor::text).unwrap_or_default();
        let kind = kind.split(" USING ").next().unwrap_or_default();
        reading.notes.refuse(
            Rule::ColumnType,
            format!(
                "ACCESS EXCLUSIVE on {table}: everything waits while every row and every index of \
                 {name} is written anew"
            ),
            format!(
                "add a column of the new type; write both in one release, copy the old rows in \
                 batches, read the new one in the next, and drop {name} in the one after that \
                 (varchar to text or to a longer varchar writes nothing anew: allow it)"
            ),
            [format!("ALTER TABLE {table} ADD COLUMN {name}_new {};", kind.trim())],
        );
        return;
    }
    if action.cursor.eat("SET EXPRESSION") {
        reading.notes.lock(AccessExclusive, table, Whole);
        let text = reading.text.clone();
        reading.notes.refuse_unless_allowed(
            Rule::Rewrite,
            format!("ACCESS EXCLUSIVE on {table}: everything waits while {name} is computed anew"),
            "when the table is small, or in a pause:",
            "the table is small",
            &text,
        );
        return;
    }
    if action.cursor.eat("SET STATISTICS") {
        return reading.notes.lock(ShareUpdateExclusive, table, Brief);
    }
    reading.notes.lock(AccessExclusive, table, Brief);
    if action.cursor.eat_any(BRIEF).is_none() {
        reading.opaque();
    }
}

fn set_not_null(reading: &mut Reading<'_>, table: &str, name: &str) {
    if reading.schema.proves_not_null(table, name) {
        reading.notes.lock(AccessExclusive, table, Brief);
        return;
    }
    reading.notes.lock(AccessExclusive, table, Whole);
    let check = format!("{}_{name}_not_null", table.replace('.', "_"));
    reading.notes.refuse(
        Rule::NotNull,
        format!("ACCESS EXCLUSIVE on {table}: everything waits until every row is looked at"),
        "prove it by a check first, which is looked at beside the writers:",
        [
            format!(
                "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID;"
            ),
            format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check};"),
            format!(
                "ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;\n\
                 ALTER TABLE {table} DROP CONSTRAINT {check};"
            ),
        ],
    );
}

/// A definition without its `NOT NULL`.
fn nullable(definition: &[Token<'_>]) -> String {
    let starts = |at: usize| Cursor { tokens: &definition[at..] }.eat("NOT NULL");
    match (0..definition.len()).find(|at| starts(*at)) {
        Some(at) => joined(&[&definition[..at], &definition[at + 2..]].concat()),
        None => joined(definition),
    }
}

/// The expression after `DEFAULT`; `NULL` is none.
fn default_of<'s, 'a>(definition: Cursor<'a, 's>) -> Option<&'s [Token<'a>]> {
    let rest = definition.find("DEFAULT")?.tokens;
    let mut depth = 0_usize;
    let end = rest.iter().position(|token| {
        depth += usize::from(token.is_mark("("));
        depth = depth.saturating_sub(usize::from(token.is_mark(")")));
        depth == 0 && AFTER_DEFAULT.iter().any(|word| token.is(word))
    });
    Some(&rest[..end.unwrap_or(rest.len())]).filter(|expression| !expression.is_empty())
}

/// Whether an expression calls something that is not known to give the same for every row.
fn differs_by_row(expression: &[Token<'_>]) -> bool {
    expression.windows(2).enumerate().any(|(at, pair)| {
        let cast = at > 0 && expression[at - 1].is_mark(":");
        let call = matches!(pair[0].kind, Kind::Word | Kind::Quoted) && pair[1].is_mark("(");
        let known = COMPUTED_ONCE.iter().any(|name| pair[0].text.eq_ignore_ascii_case(name));
        call && !cast && !known
    })
}
