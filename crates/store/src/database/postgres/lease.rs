//! A connection on loan, and what becomes of it when it comes back in an unknown state.

use std::time::{Duration, Instant};

use super::{connection::Connection, holders::Hold, pool::Pool};

/// How long a connection may take to be well again. What it was doing is cancelled first, so this
/// is a few round trips.
const QUARANTINE_MAX: Duration = Duration::from_secs(1);

const UNFIT: &str = "closed, because nobody knew what was on it";

/// A connection that its holder has alone.
///
/// It starts [`clean`](Self::clean). Whoever sends something calls [`soil`](Self::soil) before and
/// says when nothing is left of it; a lease dropped in between goes through quarantine.
pub(super) struct Lease {
    /// Always there, until the drop.
    connection: Option<Box<Connection>>,
    pool: Pool,
    since: Instant,
    state: Soil,
    /// Who has it; nobody while it is handed over.
    hold: Option<Hold>,
}

/// What may be left on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Soil {
    Clean,
    /// A transaction is open, and nothing is under way.
    Open,
    /// A statement is under way.
    Busy,
}

impl Lease {
    pub(super) fn new(connection: Box<Connection>, pool: Pool) -> Self {
        let since = Instant::now();
        Self { connection: Some(connection), pool, since, state: Soil::Clean, hold: None }
    }

    /// Says who has it from now on.
    pub(super) fn held(mut self, hold: Hold) -> Self {
        self.since = Instant::now();
        self.hold = Some(hold);
        self
    }

    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_deref()
    }

    /// A statement is about to be sent.
    pub(super) fn soil(&mut self) {
        self.state = Soil::Busy;
    }

    /// It has been answered, and the transaction is still open.
    pub(super) fn rest(&mut self) {
        self.state = Soil::Open;
    }

    /// No transaction is open any more.
    pub(super) fn clean(&mut self) {
        self.state = Soil::Clean;
    }

    pub(super) fn is_busy(&self) -> bool {
        self.state == Soil::Busy
    }

    /// Ends what is under way and its transaction, or closes the connection.
    pub(super) async fn heal(&mut self) {
        let Some(connection) = &self.connection else { return };
        if connection.is_open() && heal(connection, self.is_busy()).await {
            self.state = Soil::Clean;
        } else {
            connection.abort(UNFIT);
        }
    }

    /// Takes the connection of a lease that was never used.
    pub(super) fn into_connection(mut self) -> Option<Box<Connection>> {
        self.connection.take()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (pool, since) = (self.pool.clone(), self.since);
        // It is held until it is well again.
        let hold = self.hold.take();
        if self.state == Soil::Clean {
            pool.put_back(connection, since);
            return;
        }
        let busy = self.state == Soil::Busy;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.abort(UNFIT);
            pool.gone();
            return;
        };
        runtime.spawn(async move {
            let _hold = hold;
            if connection.is_open() && heal(&connection, busy).await {
                pool.put_back(connection, since);
            } else {
                connection.abort(UNFIT);
                drop(connection);
                pool.gone();
            }
        });
    }
}

/// Ends whatever the connection does, and makes sure that nothing is left. False when it has to be
/// closed.
async fn heal(connection: &Connection, busy: bool) -> bool {
    let healing = async {
        // Nothing may be sent before the cancellation has had its effect, or it hits that. The
        // answer to the rollback comes after all that was under way.
        if busy && !connection.cancel().await {
            return false;
        }
        connection.command("ROLLBACK").await.is_ok() && connection.is_idle().await
    };
    tokio::time::timeout(QUARANTINE_MAX, healing).await.unwrap_or(false)
}
