//! The console of a pooler: PgBouncer tells there what it is set to. It is a database of its own,
//! which knows a few words, only the simple protocol, and nothing that a server knows.

use std::{collections::BTreeMap, time::Duration};

use tokio_postgres::{Client, Config, Error, SimpleQueryMessage};

use super::{
    address::{Address, Endpoint},
    connector::{ConnectError, Connector, Reason, explained, failed, peers},
    socket::Peer,
};
use crate::database::{PgBouncer, Pooler};

/// The name of the console.
const DATABASE: &str = "pgbouncer";

/// A row, by the names of its columns: they are not the same in every version.
type Row = BTreeMap<String, String>;

/// Looks at the pooler that answers at an address.
pub(super) async fn look(connector: &Connector) -> Pooler {
    let patience = connector.options.connect_timeout;
    let Ok(looked) = tokio::time::timeout(patience, open_and_read(&connector.address)).await else {
        return Pooler::Opaque(format!("no answer within {} ms", patience.as_millis()));
    };
    looked.map_or_else(|error| Pooler::Opaque(error.detail), Pooler::PgBouncer)
}

async fn open_and_read(address: &Address) -> Result<PgBouncer, ConnectError> {
    let mut failure = failed(DATABASE, Reason::Dns, "the address has no host");
    for endpoint in &address.endpoints {
        let found = peers(endpoint).await;
        for peer in found.map_err(|error| failed(DATABASE, Reason::Dns, &error.to_string()))? {
            match open(address, endpoint, &peer).await {
                Ok((client, config)) => {
                    let read = read(&client, &config).await;
                    return read.map_err(|error| explained(DATABASE, &error));
                }
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

async fn open(
    address: &Address,
    endpoint: &Endpoint,
    peer: &Peer,
) -> Result<(Client, Config), ConnectError> {
    let (config, handshake) =
        address.protocol(endpoint).map_err(|error| failed(DATABASE, Reason::Tls, &error))?;
    let stream = peer.open(None).await;
    let stream = stream.map_err(|error| failed(DATABASE, Reason::Broken, &error.to_string()))?;
    let mut console = config.clone();
    let connected = console.dbname(DATABASE).connect_raw(stream, handshake).await;
    let (client, driver) = connected.map_err(|error| explained(DATABASE, &error))?;
    // It ends with the client.
    tokio::spawn(driver);
    Ok((client, config))
}

async fn read(client: &Client, config: &Config) -> Result<PgBouncer, Error> {
    let settings = rows(client, "SHOW CONFIG").await?;
    let databases = rows(client, "SHOW DATABASES").await?;
    let pools = rows(client, "SHOW POOLS").await?;
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    Ok(understood(&settings, &databases, &pools, [database, user]))
}

async fn rows(client: &Client, sql: &str) -> Result<Vec<Row>, Error> {
    let messages = client.simple_query(sql).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let cells = |row: &tokio_postgres::SimpleQueryRow| -> Row {
        let names = row.columns().iter().enumerate();
        let cell = |(index, column): (usize, &tokio_postgres::SimpleColumn)| {
            (column.name().to_owned(), row.get(index).unwrap_or_default().to_owned())
        };
        names.map(cell).collect()
    };
    Ok(rows.map(cells).collect())
}

/// What the tables mean for one database and one user.
fn understood(settings: &[Row], databases: &[Row], pools: &[Row], ours: [&str; 2]) -> PgBouncer {
    let setting = |name| {
        let row = settings.iter().find(|row| text(row, "key") == name);
        row.map(|row| text(row, "value")).unwrap_or_default()
    };
    let limit = |name| {
        let seconds = setting(name).parse().unwrap_or_default();
        Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
            .filter(|time| !time.is_zero())
    };
    let [database, user] = ours;
    let own = databases.iter().find(|row| text(row, "name") == database);
    let pool = pools
        .iter()
        .find(|row| text(row, "database") == database && text(row, "user") == user)
        .map(|row| text(row, "pool_mode"));
    let place = |row: &Row| [text(row, "host").to_owned(), text(row, "port").to_owned()];
    let beside = databases.iter().filter(|row| own.map(place) == Some(place(row)));
    PgBouncer {
        pool_mode: pool.unwrap_or(setting("pool_mode")).to_owned(),
        clients_max: number(setting("max_client_conn")),
        pool_max: own.map_or(0, pool_max),
        servers_max: beside.map(|row| servers_max(row, pools)).sum(),
        prepared_statements_max: number(setting("max_prepared_statements")),
        query_wait_timeout: limit("query_wait_timeout"),
        query_timeout: limit("query_timeout"),
        client_idle_timeout: limit("client_idle_timeout"),
        idle_transaction_timeout: limit("idle_transaction_timeout"),
        transaction_timeout: limit("transaction_timeout"),
    }
}

/// What one user's pool of a database may hold.
fn pool_max(row: &Row) -> i64 {
    // The name has changed with 1.23.
    number(text(row, "pool_size"))
        + number(text(row, "reserve_pool"))
        + number(text(row, "reserve_pool_size"))
}

/// What all pools of a database may hold: there is one for each user.
fn servers_max(row: &Row, pools: &[Row]) -> i64 {
    let own = pools.iter().filter(|pool| text(pool, "database") == text(row, "name"));
    let all = pool_max(row) * (own.count().max(1) as i64);
    match number(text(row, "max_connections")) {
        0 => all,
        max => all.min(max),
    }
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).map_or("", String::as_str)
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &str, rows: &[&str]) -> Vec<Row> {
        let row = |row: &&str| {
            let cells = columns.split('|').zip(row.split('|'));
            cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
        };
        rows.iter().map(row).collect()
    }

    fn looked(settings: &[&str], databases: (&str, &[&str]), pools: &[&str]) -> PgBouncer {
        let databases = table(databases.0, databases.1);
        let pools = table("database|user|pool_mode", pools);
        understood(&table("key|value", settings), &databases, &pools, ["app", "ada"])
    }

    const DATABASES: &str = "name|host|port|pool_size|reserve_pool|max_connections";

    #[test]
    fn limits_are_read_and_zero_is_none() {
        let settings = [
            "pool_mode|session",
            "max_client_conn|100",
            "query_wait_timeout|120",
            "query_timeout|0",
            "client_idle_timeout|0.5",
        ];
        let found = looked(&settings, (DATABASES, &["app|db|5432|20|5|0"]), &[]);
        assert_eq!((found.pool_mode.as_str(), found.clients_max), ("session", 100));
        assert_eq!(found.query_wait_timeout, Some(Duration::from_mins(2)));
        assert_eq!(found.client_idle_timeout, Some(Duration::from_millis(500)));
        assert_eq!((found.query_timeout, found.transaction_timeout), (None, None));
        assert_eq!((found.pool_max, found.prepared_statements_max), (25, 0));
    }

    #[test]
    fn the_mode_is_that_of_our_own_pool() {
        let pools = ["app|eve|session", "app|ada|transaction", "other|ada|statement"];
        assert_eq!(
            looked(&["pool_mode|session"], (DATABASES, &[]), &pools).pool_mode,
            "transaction"
        );
    }

    #[test]
    fn every_pool_at_our_server_counts_up_to_the_limit_of_its_database() {
        let databases = ["app|db|5432|20|5|0", "jobs|db|5432|10|0|15", "far|away|5432|99|0|0"];
        let pools = ["app|ada|", "app|eve|", "jobs|ada|", "jobs|eve|", "far|ada|"];
        let found = looked(&[], (DATABASES, &databases), &pools);
        assert_eq!((found.pool_max, found.servers_max), (25, 2 * 25 + 15));
        let newer = DATABASES.replace("reserve_pool", "reserve_pool_size");
        assert_eq!(looked(&[], (&newer, &databases), &pools).servers_max, 2 * 25 + 15);
    }
}
