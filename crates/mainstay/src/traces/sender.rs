//! The task that sends what waits: batch after batch, with patience that ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    figures::Loss,
    kept::Kept,
    otlp::{ExportTraceServiceRequest, PartialSuccess, Resource, ResourceSpans, Scope, ScopeSpans},
    shared::Shared,
    spans,
    transport::{Answer, Transport},
};

/// The conventions that names are taken from.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.44.0";

/// How often the log says that nothing is exported.
const COMPLAINT: Duration = Duration::from_mins(1);

/// A sentence of the collector's in our log is cut at so many characters.
const REASON_MAX: usize = 200;

/// Before the second attempt; each further one takes twice as long, less a random part.
const BACKOFF: Duration = Duration::from_secs(1);

/// And no more than this: a collector that is back is found soon. Taste, as the one before.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// The longest `Retry-After` that is honoured. A longer one is a collector's mistake, and traces
/// would be missing until the next start.
const ASKED_MAX: Duration = Duration::from_mins(5);

/// Sends, until it is told to stop and nothing waits.
pub(super) struct Sender {
    pub(super) shared: Arc<Shared>,
    pub(super) transport: Transport,
    pub(super) resource: Resource,
    /// How long a batch is offered.
    pub(super) patience: Duration,
    /// True once nobody can wait any longer.
    pub(super) stop: watch::Receiver<bool>,
    /// The collector wants nothing before.
    pub(super) not_before: Instant,
    pub(super) complained: Option<Instant>,
    pub(super) told_of_partial: bool,
}

impl Sender {
    pub(super) async fn run(mut self) {
        loop {
            let stopping = self.ripe().await;
            let batch = self.shared.queue.take();
            if !batch.is_empty() {
                self.send(batch).await;
            } else if stopping {
                return;
            }
        }
    }

    /// Waits until there is something to send; true once the end has come.
    async fn ripe(&mut self) -> bool {
        tokio::select! {
            () = self.shared.queue.completed() => {}
            () = sleep(self.shared.batch_delay) => {}
            () = stopped(&mut self.stop) => {}
        }
        self.is_stopping()
    }

    /// The end has come, or whoever would tell is gone.
    fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    async fn send(&mut self, requests: Vec<Kept>) {
        let count = requests.iter().map(Kept::spans).sum::<usize>() as u64;
        let batch = self.encode(&requests);
        drop(requests);
        self.pause(self.not_before).await;
        let (began, mut backoff) = (Instant::now(), BACKOFF);
        loop {
            let is_last = self.is_stopping();
            let (why, asked) = match self.transport.post(batch.clone()).await {
                Answer::Taken(partial) => return self.taken(count, &partial),
                Answer::Refused(why) => return self.lose(Loss::Rejected, count, &why),
                Answer::Later(why, asked) => (why, asked),
            };
            let wait = asked.unwrap_or_else(|| jittered(backoff)).min(ASKED_MAX);
            backoff = (backoff * 2).min(BACKOFF_MAX);
            if is_last || began.elapsed() + wait > self.patience {
                if asked.is_some() {
                    self.not_before = Instant::now() + wait;
                }
                return self.lose(Loss::Unreachable, count, &why);
            }
            self.shared.figures.fail();
            self.complain(&why, 0);
            self.pause(Instant::now() + wait).await;
        }
    }

    fn encode(&self, requests: &[Kept]) -> Bytes {
        let mut spans = Vec::new();
        for request in requests {
            spans::append(request, self.shared.database, &mut spans);
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let scope = Some(Scope { name: "mainstay".to_owned(), version });
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans { scope, spans }],
                schema_url: SCHEMA.to_owned(),
            }],
        };
        request.encode_to_vec().into()
    }

    fn taken(&mut self, count: u64, partial: &PartialSuccess) {
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or_default().min(count);
        self.shared.figures.export(count - rejected);
        self.shared.figures.lose(Loss::Rejected, rejected);
        let says_something = rejected > 0 || !partial.error_message.is_empty();
        if says_something && !self.told_of_partial {
            self.told_of_partial = true;
            let reason: String = partial.error_message.chars().take(REASON_MAX).collect();
            tracing::warn!(rejected, reason, "the collector did not take all spans");
        }
    }

    fn lose(&mut self, why: Loss, count: u64, reason: &str) {
        self.shared.figures.fail();
        self.shared.figures.lose(why, count);
        self.complain(reason, count);
    }

    /// Says why nothing is exported, unless it has just been said.
    fn complain(&mut self, error: &str, dropped: u64) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAINT) {
            self.complained = Some(Instant::now());
            tracing::warn!(error, dropped, "traces are not exported");
        }
    }

    /// Waits, unless the end has come.
    async fn pause(&mut self, until: Instant) {
        tokio::select! {
            () = sleep_until(until) => {}
            () = stopped(&mut self.stop) => {}
        }
    }
}

/// Waits for the end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Half of it to all of it, so that processes that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}
