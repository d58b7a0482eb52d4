//! `/connections` for operators: who holds the connections to the database.

use mainstay_store::{Connections, Database};
use mainstay_web::{Cache, Json, Routes, Use, get};
use schemars::JsonSchema;
use serde::Serialize;

/// What operators are told.
#[derive(Debug, Serialize, JsonSchema)]
struct Report {
    /// `sqlite` or `postgres`
    engine: &'static str,
    /// What a server's clients share; an embedded database has no connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Shared>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Shared {
    /// Single statements, pipelined on few connections.
    lanes: Lanes,
    /// One connection for each transaction, and for each statement that others should not wait for.
    pool: Pool,
    /// Who has a connection of the pool, longest first.
    holders: Vec<Holder>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Lanes {
    /// Statements under way.
    busy: usize,
    /// Statements that wait for a place.
    waiting: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pool {
    /// Connections there may be.
    max: usize,
    /// Connections that are open, or being opened.
    open: usize,
    /// Those of them that nobody uses.
    idle: usize,
    /// Callers that wait for one.
    waiting: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Holder {
    /// The route, or `no request`.
    name: String,
    /// How many connections.
    connections: usize,
    /// For how long the longest of them has been held.
    longest_ms: u64,
}

pub(super) fn routes(database: Database) -> Routes<Database> {
    let connections = get("/connections", connections)
        .public()
        .unlimited("only operators reach this listener")
        .cache(Cache::NoStore)
        .summary("Who holds the connections to the database");
    Routes::new("ops", database).add(connections)
}

async fn connections(database: Use<Database>) -> Json<Report> {
    let connections = database.connections().map(Shared::from);
    Json(Report { engine: database.engine().as_str(), connections })
}

impl From<Connections> for Shared {
    fn from(all: Connections) -> Self {
        let holder = |holder: mainstay_store::Holder| Holder {
            name: holder.name.to_string(),
            connections: holder.count,
            longest_ms: u64::try_from(holder.longest.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            lanes: Lanes { busy: all.lanes_busy, waiting: all.lanes_waiting },
            pool: Pool {
                max: all.pool_max,
                open: all.pool_open,
                idle: all.pool_idle,
                waiting: all.pool_waiting,
            },
            holders: all.holders.into_iter().map(holder).collect(),
        }
    }
}
