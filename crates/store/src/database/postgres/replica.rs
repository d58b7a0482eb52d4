//! Reads on a server that follows the primary, with a proven bound on what they may miss.
//!
//! A follower's own clock says little: replayed is also everything when nothing arrives any more.
//! So the primary is asked for its position in the log now and then, and a follower that has
//! replayed that position knows everything that was committed when the question was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    connection::Connection,
    connector::Connector,
    lanes::{Lanes, Ran},
    slow::SlowStatements,
};
use crate::{database::Outcome, value::Value};

/// Positions of the primary that are remembered: at four a second those of the last minutes, so a
/// follower that is further behind is as good as none.
const POSITIONS_MAX: usize = 1024;

/// The position of a primary; fails on a server that is none.
const WRITTEN: &str = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";

/// The position of a follower; null on a server that follows nobody.
const REPLAYED: &str = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint \
                        WHERE pg_is_in_recovery()";

/// How long a follower may take to tell it. One that is slower is not asked for data either.
const ASK_MAX: Duration = Duration::from_secs(1);

/// The follower, or several behind one address.
pub(super) struct Replica {
    lanes: Lanes,
    /// When the primary was asked, and its position then; newest last.
    written: Mutex<VecDeque<(Instant, i64)>>,
}

impl Replica {
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        // What is slow here is not slow there.
        Self {
            lanes: Lanes::new(connector, Arc::<SlowStatements>::default()),
            written: Mutex::default(),
        }
    }

    /// Runs a read that may miss what was committed in the last `at_most`; `None` where no follower
    /// can be asked, or gives no answer. Then the primary has the last word: a follower may refuse
    /// a statement only because it does not know the newest table or column yet.
    pub(super) async fn read(
        &self,
        sql: &'static str,
        params: &[Value],
        at_most: Duration,
    ) -> Option<Outcome> {
        let as_of = Instant::now().checked_sub(at_most)?;
        match self.lanes.run(sql, params.to_vec(), Some(as_of), || true).await {
            Ran::Answered(result) => result.ok(),
            Ran::HandedBack(_) => None,
        }
    }

    /// Connects what is not connected, and finds out how far each connection's server is.
    pub(super) async fn keep_up(&self, primary: &Lanes) {
        self.lanes.keep_up().await;
        let asked = Instant::now();
        // Without an answer what is known grows old, and that is the truth.
        if let Ran::Answered(Ok(outcome)) = primary.run(WRITTEN, Vec::new(), None, || true).await
            && let Some(position) = position(&outcome)
        {
            let mut written = self.written();
            if written.len() >= POSITIONS_MAX {
                written.pop_front();
            }
            written.push_back((asked, position));
        }
        for connection in self.lanes.connections() {
            let replayed = tokio::time::timeout(ASK_MAX, replayed(&connection)).await;
            let replayed = replayed.ok().flatten();
            let as_of = replayed.and_then(|replayed| self.as_of(replayed));
            connection.knows_everything(as_of);
        }
    }

    pub(super) async fn close(&self) {
        self.lanes.close().await;
    }

    /// When the primary was at this position, or before it.
    fn as_of(&self, replayed: i64) -> Option<Instant> {
        let written = self.written();
        let reached = written.iter().rev().find(|(_, position)| *position <= replayed);
        reached.map(|(asked, _)| *asked)
    }

    /// No code of a caller runs under the lock, so a poisoned list is still whole.
    fn written(&self) -> MutexGuard<'_, VecDeque<(Instant, i64)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn replayed(connection: &Connection) -> Option<i64> {
    let prepared = connection.prepare(REPLAYED).await.ok()?;
    let outcome = connection.run_alone(REPLAYED, prepared.as_ref(), &[]).await.ok()?;
    position(&outcome)
}

fn position(outcome: &Outcome) -> Option<i64> {
    let (position,): (Option<i64>,) = outcome.decode_first().ok()??;
    position
}
