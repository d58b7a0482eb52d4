//! What addresses lead to, and what is said when they lead nowhere.

use std::sync::Arc;

use super::{
    address::Address,
    connector::{ConnectError, Connector, Reason},
};
use crate::{
    database::{DatabaseOptions, DatabaseUrl, url},
    error::OpenError,
};

/// For the server that takes the writes.
pub(super) fn primary(
    url: &str,
    shown: &str,
    options: &DatabaseOptions,
) -> Result<Arc<Connector>, OpenError> {
    connector(url, "DATABASE_URL", shown, options)
}

/// For a server that follows it.
pub(super) fn replica(
    url: &DatabaseUrl,
    options: &DatabaseOptions,
) -> Result<Arc<Connector>, OpenError> {
    let shown = url.to_string();
    match url.address() {
        url::Address::Postgres(text) => connector(text, "DATABASE_REPLICA_URL", &shown, options),
        _ => Err(OpenError::new(
            format!("cannot read from {shown}"),
            "the replica of a PostgreSQL server is a PostgreSQL server",
            "Correct DATABASE_REPLICA_URL, or leave it out.",
        )),
    }
}

fn connector(
    url: &str,
    variable: &str,
    shown: &str,
    options: &DatabaseOptions,
) -> Result<Arc<Connector>, OpenError> {
    let address = Address::parse(url, options).map_err(|wrong| {
        OpenError::new(
            format!("cannot open {shown}"),
            wrong,
            format!("Correct {variable}: `postgres://user:password@host:port/name?option=value`."),
        )
    })?;
    Ok(Arc::new(Connector::new(address, options.clone())))
}

/// Why the primary cannot be reached, for who starts the process.
pub(super) fn failed(shown: &str, error: &ConnectError) -> OpenError {
    let fix = match error.reason {
        Reason::Dns => "Check the host in DATABASE_URL, and the resolver of this machine.",
        Reason::Refused => "Start the server, or correct host and port in DATABASE_URL.",
        Reason::TimedOut => "Check that host and port are right and no firewall is in between.",
        Reason::Tls => "Check `sslmode` and `sslrootcert` in DATABASE_URL, and the certificate.",
        Reason::Auth => "Check user and password in DATABASE_URL, and the server's pg_hba.conf.",
        Reason::NoDatabase => "Create the database, or correct its name in DATABASE_URL.",
        Reason::Full => "Raise the server's max_connections, or lower `pool_max` and `lanes`.",
        Reason::NotReady => "Wait until the server is ready, and start again.",
        Reason::WrongSession => "Check `target_session_attrs` and the hosts in DATABASE_URL.",
        Reason::Broken => "Check that a PostgreSQL server is at this address, and its log.",
    };
    let why = format!("{}: {} ({})", error.place, error.reason, error.detail);
    OpenError::new(format!("cannot open {shown}"), why, fix)
}
