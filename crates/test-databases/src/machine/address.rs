//! Addresses of databases, all on servers of this machine.

use std::fmt;

use tokio_postgres::Config;

/// Who owns every server here.
pub(crate) const USER: &str = "postgres";

/// A database of a server, or of what stands in front of one.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) database: String,
}

impl Address {
    /// Reads what [`url`](Self::url) has written.
    ///
    /// # Panics
    /// On anything else: addresses come from this crate.
    pub(crate) fn parse(url: &str) -> Self {
        let config: Config = url.parse().expect("an address");
        let port = *config.get_ports().first().expect("a port");
        let password = config.get_password().expect("a password");
        let password = String::from_utf8(password.to_vec()).expect("a word");
        let database = config.get_dbname().expect("a database").to_owned();
        Self { port, password, database }
    }

    pub(crate) fn url(&self) -> String {
        let Self { port, password, database } = self;
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The same database by another way.
    pub(crate) fn through(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// Another database of the same server.
    pub(crate) fn sibling(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }
}

impl fmt::Debug for Address {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "127.0.0.1:{}/{}", self.port, self.database)
    }
}
