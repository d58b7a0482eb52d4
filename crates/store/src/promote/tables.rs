//! The tables of the target, and what their columns hold.

use super::{PromoteError, cells::Kind, wrong};
use crate::{database::Database, error::StoreError, params};

/// What is not the service's.
pub(super) const OWN: [&str; 3] =
    ["mainstay_migrations", "mainstay_promotion", "mainstay_promotion_keys"];

const TABLES: &str = "SELECT c.relname::text FROM pg_class c \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
    AND NOT c.relispartition ORDER BY 1";

const COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, NULL) FROM pg_attribute a \
    JOIN pg_class c ON c.oid = a.attrelid \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1 AND a.attnum > 0 \
    AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum";

pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Kind)>,
}

impl Table {
    /// Column names as SQL: the same on both engines.
    pub(super) fn list(&self) -> String {
        let quoted: Vec<_> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        quoted.join(", ")
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names of the service's tables; none before its migrations.
pub(super) async fn names(target: &Database) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = target.query(TABLES, params![]).await?;
    Ok(rows.into_iter().map(|(name,)| name).filter(|name| !OWN.contains(&name.as_str())).collect())
}

/// Every table of the service.
pub(super) async fn all(target: &Database) -> Result<Vec<Table>, PromoteError> {
    let mut tables = Vec::new();
    for name in names(target).await? {
        tables.push(described(target, name).await?);
    }
    Ok(tables)
}

async fn described(target: &Database, name: String) -> Result<Table, PromoteError> {
    let rows: Vec<(String, String)> = target.query(COLUMNS, params![name.as_str()]).await?;
    let mut columns = Vec::new();
    for (column, kind) in rows {
        let Some(known) = Kind::of(&kind) else {
            let why = format!("{name}.{column} is of the type {kind}, which is not known here");
            return Err(wrong(why, "Copy this database with a tool of your own."));
        };
        columns.push((column, known));
    }
    Ok(Table { name, columns })
}
