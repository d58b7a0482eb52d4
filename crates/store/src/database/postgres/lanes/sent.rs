//! A statement on its way, and its withdrawal when nobody waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio_postgres::Error;

use super::lane::{Place, SLOW, Watch};
use crate::{
    database::{
        Outcome,
        postgres::{connection::Connection, statement::Prepared},
    },
    value::Value,
};

/// Between two attempts to stop the same statement, at most.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a statement leaves when it has been answered.
pub(super) struct Answer {
    pub(super) place: Place,
    pub(super) params: Vec<Value>,
    pub(super) result: Result<Outcome, Error>,
    /// The error may be meant for another statement of the connection, which was withdrawn. Nothing
    /// of this one was kept.
    pub(super) is_mistaken: bool,
}

/// A statement under way. Dropped, it is withdrawn: it keeps its place, in a task, until it has
/// been answered, and once the server has been at it for longer than is usual the server is told to
/// cancel what its connection does.
///
/// The cancellation names the connection. If the statement ends in that moment, it hits the next
/// one, which is why that one's answer says [`Answer::is_mistaken`]: a cancelled statement has had
/// no effect, and may be sent again.
pub(super) struct Sent {
    running: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    /// It is on the wire.
    is_begun: bool,
    now: Instant,
    connection: Arc<Connection>,
    watch: Watch,
}

impl Sent {
    /// To be polled at once, which is `now`.
    pub(super) fn new(
        connection: Arc<Connection>,
        place: Place,
        sql: &'static str,
        prepared: Option<Prepared>,
        params: Vec<Value>,
        now: Instant,
    ) -> Self {
        let (watch, kept) = (place.watch(), connection.clone());
        let running = Box::pin(async move {
            let sending = connection.sending(now);
            let result = connection.run_alone(sql, prepared.as_ref(), &params).await;
            let is_mistaken =
                result.as_ref().is_err_and(|error| connection.is_mistaken(&sending, error));
            Answer { place, params, result, is_mistaken }
        });
        Self { running: Some(running), is_begun: false, now, connection: kept, watch }
    }
}

impl Future for Sent {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let was_begun = std::mem::replace(&mut self.is_begun, true);
        let Self { running, watch, now, .. } = &mut *self;
        let Some(running) = running.as_mut() else { return Poll::Pending };
        let mut poll = || running.as_mut().poll(context);
        let polled = if was_begun { poll() } else { watch.send(*now, poll) };
        if polled.is_ready() {
            self.running = None;
        }
        polled
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let Some(running) = self.running.take().filter(|_| self.is_begun) else { return };
        // Without a runtime the connection is going away too.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(withdraw(running, self.connection.clone(), self.watch.clone()));
    }
}

async fn withdraw(
    mut running: Pin<Box<dyn Future<Output = Answer> + Send>>,
    connection: Arc<Connection>,
    watch: Watch,
) {
    let mut pause = SLOW;
    // It ends: by its answer, by its time limit, or with its connection.
    while tokio::time::timeout(pause, &mut running).await.is_err() {
        if watch.is_slow() {
            connection.interrupt().await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
