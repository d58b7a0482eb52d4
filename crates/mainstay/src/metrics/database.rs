//! The database: connections, lanes and the pool of a server's client; queues and commits of the
//! embedded engine. The families of the engine that is not there have no samples.

use mainstay_store::{Database, DatabaseFigures, PostgresFigures, SqliteFigures};

use super::{Collect, Family, Page};

const LANE_STATEMENTS: Family = Family::gauge(
    "mainstay_lane_statements",
    "Single statements on the lanes: `running`, or `waiting` for a place",
);
const POOL_MAX: Family =
    Family::gauge("mainstay_pool_connections_max", "Connections that the pool may open");
const POOL: Family = Family::gauge(
    "mainstay_pool_connections",
    "Connections of the pool that are `idle`, or `used` by a caller (or being opened for one)",
);
const POOL_WAITERS: Family =
    Family::gauge("mainstay_pool_waiters", "Callers that wait for a connection of the pool");
const POOL_WAIT: Family = Family::histogram(
    "mainstay_pool_wait_seconds",
    "Time that callers waited for a connection of the pool, in vain or not",
);
const POOL_HOLD: Family = Family::histogram(
    "mainstay_pool_hold_seconds",
    "Time that connections of the pool were held which came back in order",
);
const POOL_REFUSED: Family = Family::counter(
    "mainstay_pool_refused_total",
    "Callers that got no connection: none came free in time, or the wait would have been too long",
);
const SQLITE_WAITING: Family = Family::gauge(
    "mainstay_sqlite_waiting",
    "Statements and transactions that wait for a reader (`reads`) or for the writer (`writes`)",
);
const SQLITE_COMMIT: Family = Family::histogram(
    "mainstay_sqlite_commit_seconds",
    "Time that each commit took; one makes a group of writes durable",
);
const SQLITE_COMMITTED: Family = Family::counter(
    "mainstay_sqlite_committed_total",
    "Statements and transactions that were committed; over the number of commits, the size of a \
     group",
);
const SQLITE_REFUSED: Family = Family::counter(
    "mainstay_sqlite_refused_total",
    "Statements and transactions that were refused: the queue was full, or moved too slowly",
);

/// What the engine of a database counts.
pub(crate) struct DatabaseLoad(pub(crate) Database);

impl Collect for DatabaseLoad {
    fn collect(&self, page: &mut Page) {
        let (sqlite, postgres) = match self.0.figures() {
            DatabaseFigures::Sqlite(figures) => (Some(figures), None),
            DatabaseFigures::Postgres(figures) => (None, Some(figures)),
        };
        write_postgres(page, postgres.as_ref());
        write_sqlite(page, sqlite.as_ref());
    }
}

fn write_postgres(page: &mut Page, figures: Option<&PostgresFigures>) {
    let connections = figures.map(|figures| &figures.connections);
    let mut samples = page.family(&LANE_STATEMENTS);
    if let Some(all) = connections {
        samples.sample(&[("state", "running".into())], all.lanes_busy);
        samples.sample(&[("state", "waiting".into())], all.lanes_waiting);
    }
    let mut samples = page.family(&POOL_MAX);
    if let Some(all) = connections {
        samples.value(all.pool_max);
    }
    let mut samples = page.family(&POOL);
    if let Some(all) = connections {
        samples.sample(&[("state", "idle".into())], all.pool_idle);
        samples.sample(&[("state", "used".into())], all.pool_open.saturating_sub(all.pool_idle));
    }
    let mut samples = page.family(&POOL_WAITERS);
    if let Some(all) = connections {
        samples.value(all.pool_waiting);
    }
    let mut samples = page.family(&POOL_WAIT);
    if let Some(figures) = figures {
        samples.distribution(&[], &figures.waits);
    }
    let mut samples = page.family(&POOL_HOLD);
    if let Some(figures) = figures {
        samples.distribution(&[], &figures.holds);
    }
    let mut samples = page.family(&POOL_REFUSED);
    if let Some(figures) = figures {
        samples.value(figures.refused);
    }
}

fn write_sqlite(page: &mut Page, figures: Option<&SqliteFigures>) {
    let mut samples = page.family(&SQLITE_WAITING);
    if let Some(figures) = figures {
        samples.sample(&[("queue", "reads".into())], figures.reads_waiting);
        samples.sample(&[("queue", "writes".into())], figures.writes_waiting);
    }
    let mut samples = page.family(&SQLITE_COMMIT);
    if let Some(figures) = figures {
        samples.distribution(&[], &figures.commits);
    }
    let mut samples = page.family(&SQLITE_COMMITTED);
    if let Some(figures) = figures {
        samples.value(figures.committed);
    }
    let mut samples = page.family(&SQLITE_REFUSED);
    if let Some(figures) = figures {
        samples.value(figures.refused);
    }
}
