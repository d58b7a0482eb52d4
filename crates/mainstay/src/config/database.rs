//! The `[database]` section, and a URL made from the usual `DB_*` variables.

use std::time::Duration;

use mainstay_core::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    error::Origin,
    loader::Loader,
    section::{Raw, RawSection},
    value::ConnectionUrl,
};
use crate::{choice, section};

choice! {
    /// When migrations run.
    pub enum MigrateAtStart {
        /// Before the service answers.
        Auto = "auto",
        /// By the `migrate` command only; a service behind its schema does not start.
        Manual = "manual",
    }
}

section! {
    /// The database.
    pub struct Database in "database", prepare compose_url, check complete {
        /// Where it is: `sqlite:PATH`, relative to the working folder, or `postgres://…` with what
        /// libpq's connection URIs take: several hosts, `sslmode`, `target_session_attrs`, a folder
        /// with a socket as `host`.
        url: ConnectionUrl = "sqlite:data/service.db", env "DATABASE_URL";
        /// A PostgreSQL server that follows it, for reads that allow it; may be away.
        replica_url: Option<ConnectionUrl> = "", env "DATABASE_REPLICA_URL";
        /// Host of a PostgreSQL server; with the four knobs below it stands in for a `url` that is
        /// not set in the same place.
        host: Option<String> = "", env "DB_HOST";
        /// Port of the server; unset leaves it to the driver.
        port: Option<u16> = "", env "DB_PORT";
        /// Name of the database.
        name: Option<String> = "", env "DB_NAME";
        /// Who logs in.
        user: Option<String> = "", env "DB_USER";
        /// Their password.
        password: Option<Secret<String>> = "", env "DB_PASSWORD";
        /// SQLite: connections that read at the same time; one more writes.
        readers: usize = "2", range 1..=64;
        /// Longest wait for a lock: SQLite's, of another process, or PostgreSQL's, of another
        /// transaction.
        busy_timeout: Duration as ms = "2000", range 1..=60000;
        /// Longest run of one statement.
        statement_timeout: Duration as ms = "5000", range 1..=600_000;
        /// Single reads that may wait; more are refused at once.
        read_queue_max: usize = "1024", range 1..=1_000_000;
        /// Writes and transactions that may wait, for the next commit or on PostgreSQL for a
        /// connection; more are refused at once.
        write_queue_max: usize = "1024", range 1..=1_000_000;
        /// Whether migrations run when the service starts.
        migrate_at_start: MigrateAtStart = "auto";
    }
}

choice! {
    /// How a statement travels to PostgreSQL.
    pub enum StatementMode {
        /// Prepared and kept, unless a pooler is found in front of the server.
        Auto = "auto",
        /// Prepared once for each connection and kept there.
        Named = "named",
        /// Prepared anew each time, in the same round trip: behind PgBouncer in transaction mode.
        Unnamed = "unnamed",
    }
}

section! {
    /// Connections to PostgreSQL. SQLite has none.
    pub struct Pool in "pool", check pool_chain {
        /// Connections that all single reads share, pipelined.
        lanes: usize = "4", range 1..=64;
        /// Statements under way on each of them, while they are quick; more wait.
        lane_depth: usize = "64", range 1..=10_000;
        /// Connections for writes, transactions and slow reads, one for each, at most. With the
        /// lanes, and times the number of processes, it has to fit into the server's
        /// `max_connections`.
        size_max: usize = "20", range 1..=10_000;
        /// Those of them that stay open when nobody needs them.
        idle_min: usize = "1", range 0..=10_000;
        /// How long a connection beyond those may be unused.
        idle_timeout: Duration as ms = "30000", range 100..=86_400_000;
        /// Longest wait for a connection.
        acquire_timeout: Duration as ms = "2000", range 1..=600_000;
        /// Longest time an address may take to answer, TLS and log-in included.
        connect_timeout: Duration as ms = "2000", range 1..=600_000;
        /// Age at which a connection is replaced, less up to a tenth at random.
        lifetime_max: Duration as seconds = "1800", range 1..=86_400;
        /// How statements travel.
        statement_mode: StatementMode = "auto";
    }
}

fn pool_chain(pool: &Pool, loader: &mut Loader) {
    if pool.connect_timeout > pool.acquire_timeout {
        loader.conflict(
            &["pool.connect_timeout_ms", "pool.acquire_timeout_ms"],
            "who waits for a new connection would have given up before it is there",
            "make connect_timeout_ms at most acquire_timeout_ms",
        );
    }
    if pool.idle_min > pool.size_max {
        loader.conflict(
            &["pool.idle_min", "pool.size_max"],
            "more connections would be kept than there may be",
            "make idle_min at most size_max",
        );
    }
}

/// The rank of a source: a stronger one overrides.
const fn layer(origin: &Origin) -> u8 {
    match origin {
        Origin::Default => 0,
        Origin::File { .. } => 1,
        Origin::Environment(_) => 2,
    }
}

/// Makes the URL from its parts where the parts come from a stronger source than the URL.
fn compose_url(raw: &mut RawSection) {
    let host = raw.get("host");
    if host.text.is_empty() || layer(&host.origin) <= layer(&raw.get("url").origin) {
        return;
    }
    let origin = host.origin.clone();
    let encoded = |key| utf8_percent_encode(&raw.get(key).text, NON_ALPHANUMERIC).to_string();
    let part = |mark, key| match encoded(key) {
        text if text.is_empty() => text,
        text => format!("{mark}{text}"),
    };
    let login = match part("", "user") + &part(":", "password") {
        login if login.is_empty() => login,
        login => login + "@",
    };
    // Not encoded: a dot is part of a host, and an IPv6 address stands in brackets.
    let host = if host.text.contains(':') { format!("[{}]", host.text) } else { host.text.clone() };
    let text = format!("postgres://{login}{host}{}{}", part(":", "port"), part("/", "name"));
    raw.set("url", Raw { text, origin });
}

fn complete(database: &Database, loader: &mut Loader) {
    if database.busy_timeout > database.statement_timeout {
        loader.conflict(
            &["database.busy_timeout_ms", "database.statement_timeout_ms"],
            "a statement that waits for a lock would be stopped before the wait may end",
            "make busy_timeout_ms at most statement_timeout_ms",
        );
    }
    let url_is_default = loader.origin("database.url") == Some(&Origin::Default);
    let part_of_nothing = database.host.is_none() && url_is_default;
    let parts = [
        ("database.port", database.port.is_some()),
        ("database.name", database.name.is_some()),
        ("database.user", database.user.is_some()),
        ("database.password", database.password.is_some()),
    ];
    for (key, _) in parts.into_iter().filter(|(_, is_set)| part_of_nothing && *is_set) {
        loader.conflict(
            &[key],
            "it is part of an address without a host, so it would have no effect",
            "set DB_HOST as well, or DATABASE_URL instead",
        );
    }
}
