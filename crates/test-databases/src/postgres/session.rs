//! A connection to a server that blocks, within a runtime and without one.

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::blocking::{apart, block_on};

/// A connection, with the runtime that drives it while somebody waits.
pub(crate) struct Session {
    client: Client,
    /// Taken by `drop`.
    runtime: Option<Runtime>,
}

impl Session {
    pub(crate) fn connect(url: &str) -> Result<Self, String> {
        apart(|| {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            let client = runtime.block_on(async {
                let connected = tokio_postgres::connect(url, NoTls).await;
                let (client, connection) = connected.map_err(|error| said(&error))?;
                // Its end is seen by the client.
                tokio::spawn(connection);
                Ok::<_, String>(client)
            })?;
            Ok(Self { client, runtime: Some(runtime) })
        })
    }

    /// Runs statements.
    pub(crate) fn run(&self, sql: &str) -> Result<(), String> {
        self.block_on(self.client.batch_execute(sql))
    }

    /// The number that a query answers.
    pub(crate) fn number(&self, sql: &str) -> Result<i64, String> {
        let messages = self.block_on(self.client.simple_query(sql))?;
        let number = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        let number = number.ok_or_else(|| "no row, or null".to_owned())?;
        number.parse().map_err(|error| format!("{number}: {error}"))
    }

    /// Asks the server to give up what runs.
    #[cfg(test)]
    pub(crate) fn cancel(&self) -> Result<(), String> {
        let token = self.client.cancel_token();
        // Its runtime may be driven by who waits for what runs.
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        block_on(&runtime, token.cancel_query(NoTls)).map_err(|error| said(&error))
    }

    fn block_on<T: Send>(
        &self,
        future: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T, String> {
        let runtime = self.runtime.as_ref().ok_or("the connection is closed")?;
        block_on(runtime, future).map_err(|error| said(&error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        apart(move || drop(runtime));
    }
}

/// An error with what the server says, which the driver keeps apart.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(server) => format!("{error}: {server}"),
        None => error.to_string(),
    }
}
