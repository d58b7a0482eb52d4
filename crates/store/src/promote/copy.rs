//! Rows on their way, in batches: each is one transaction together with how far the table is.

use super::{
    PromoteError, PromotedTable,
    cells::{Cells, Sum},
    frame,
    tables::{self, Table, quoted},
    wrong,
};
use crate::{
    database::{Database, Engine},
    error::StoreError,
    migrate::Migrations,
    params,
    value::{FromValue, Value},
};

/// Rows that travel together: few enough for a transaction of milliseconds, enough that its
/// commit is not what takes the time.
const BATCH: i64 = 500;

const CREATE_PROGRESS: &str = "CREATE TABLE mainstay_promotion (\
    name text PRIMARY KEY, last bigint NOT NULL, copied bigint NOT NULL)";

const IS_BEGUN: &str = "SELECT to_regclass('mainstay_promotion') IS NOT NULL";

/// The name that is noted when the tables are there and empty. No table has it.
pub(super) const PREPARED: &str = "";

/// How far an earlier run has come.
const KNOWN: &str = "SELECT last, copied FROM mainstay_promotion WHERE name = $1";

const NOTE: &str = "INSERT INTO mainstay_promotion (name, last, copied) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET last = excluded.last, copied = excluded.copied";

/// Statements here are made from names of tables, once for each table and process.
fn fixed(sql: String) -> &'static str {
    sql.leak()
}

pub(super) async fn count(database: &Database, table: &str) -> Result<u64, StoreError> {
    let sql = fixed(format!("SELECT count(*) FROM {}", quoted(table)));
    let (count,): (i64,) = database.query_one(sql, params![]).await?;
    Ok(count.unsigned_abs())
}

/// Brings an empty target to the schema, without rows and without foreign keys; leaves one alone
/// that an earlier run has prepared.
pub(super) async fn prepare(
    target: &Database,
    migrations: Migrations,
) -> Result<Vec<Table>, PromoteError> {
    let (is_begun,): (bool,) = target.query_one(IS_BEGUN, params![]).await?;
    if !is_begun {
        for name in tables::names(target).await? {
            if count(target, &name).await? > 0 {
                let why = format!("the target is not empty: {name} has rows");
                return Err(wrong(why, "Name an empty database; nothing is ever overwritten."));
            }
        }
        // Before the migrations: rows that they put there are no reason to refuse the next run.
        target.execute(CREATE_PROGRESS, params![]).await?;
    }
    let known = target.query_optional::<(i64, i64)>(KNOWN, params![PREPARED]).await?;
    if known.is_some() {
        return tables::all(target).await;
    }
    target.migrate(migrations).up().await?;
    let tables = tables::all(target).await?;
    frame::begin(target, &tables).await?;
    Ok(tables)
}

pub(super) async fn copy(
    source: &Database,
    target: &Database,
    table: &Table,
    mut progress: impl FnMut(u64),
) -> Result<(), PromoteError> {
    let (name, columns) = (quoted(&table.name), table.list());
    let read = fixed(format!(
        "SELECT rowid, {columns} FROM {name} WHERE rowid > $1 ORDER BY rowid LIMIT {BATCH}"
    ));
    // An id is the one it was, also in a column that the server numbers itself.
    let write = fixed(format!(
        "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM \
         json_populate_recordset(NULL::{name}, $1::text::json)"
    ));
    let known = target.query_optional(KNOWN, params![table.name.as_str()]).await?;
    let (mut last, mut copied): (i64, i64) = known.unwrap_or((i64::MIN, 0));
    loop {
        let rows: Vec<Cells> = source.query(read, params![last]).await?;
        let Some(end) = rows.last().and_then(|row| row.0.first()) else { return Ok(()) };
        last = i64::from_value(end.clone()).unwrap_or(last);
        copied += rows.len() as i64;
        let rows = rows.into_iter().map(|row| object(table, row.0.into_iter().skip(1)));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let text = serde_json::Value::from(rows).to_string();
        let mut tx = target.begin().await?;
        tx.execute(write, params![text]).await?;
        tx.execute(NOTE, params![table.name.as_str(), last, copied]).await?;
        tx.commit().await?;
        progress(copied.unsigned_abs());
    }
}

/// A row as PostgreSQL reads it, and as both sides are compared.
fn object(
    table: &Table,
    cells: impl Iterator<Item = Value>,
) -> Result<serde_json::Value, PromoteError> {
    let mut object = serde_json::Map::new();
    for ((column, kind), cell) in table.columns.iter().zip(cells) {
        let Ok(value) = kind.read(cell) else {
            let why = format!("{}.{column} of a row is no {kind:?}", table.name);
            return Err(wrong(why, "Correct the row; SQLite takes any type in any column."));
        };
        object.insert(column.clone(), value);
    }
    Ok(object.into())
}

/// Count and checksum of a table.
async fn sum(database: &Database, table: &Table) -> Result<Sum, PromoteError> {
    let (name, columns) = (quoted(&table.name), table.list());
    let is_source = database.engine() == Engine::Sqlite;
    let sql = fixed(if is_source {
        format!("SELECT rowid, {columns} FROM {name} WHERE rowid > $1 ORDER BY rowid LIMIT {BATCH}")
    } else {
        format!(
            "SELECT ctid::text AS place, {columns} FROM {name} WHERE ctid > $1::text::tid \
             ORDER BY ctid LIMIT {BATCH}"
        )
    });
    let mut sum = Sum::default();
    let mut last = if is_source { Value::Integer(i64::MIN) } else { Value::Text("(0,0)".into()) };
    loop {
        let rows: Vec<Cells> = database.query(sql, vec![last.clone()]).await?;
        let Some(end) = rows.last().and_then(|row| row.0.first()) else { return Ok(sum) };
        last = end.clone();
        for row in rows {
            sum.add(&object(table, row.0.into_iter().skip(1))?);
        }
    }
}

/// Counts and checksums of both sides, when all are the same.
pub(super) async fn compare(
    source: &Database,
    target: &Database,
    tables: &[Table],
) -> Result<Vec<PromotedTable>, PromoteError> {
    let mut promoted = Vec::new();
    for table in tables {
        let ours = sum(source, table).await?;
        let theirs = sum(target, table).await?;
        if ours != theirs {
            let name = &table.name;
            let why = format!(
                "{name} differs: {} rows here, {} there, or another content",
                ours.rows, theirs.rows
            );
            let fix = "Stop the service, so that nobody writes meanwhile; drop the target's tables \
                       and run it again.";
            return Err(wrong(why, fix));
        }
        promoted.push(PromotedTable { name: table.name.clone(), rows: ours.rows });
    }
    Ok(promoted)
}
