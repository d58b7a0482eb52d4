//! The listener that keeps requests for export, and the task behind it.

use std::{fmt, sync::Arc, time::Duration};

use mainstay_core::{Clock, RequestLine, RequestLog};
use mainstay_store::Engine;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{
    figures::{Figures, Loss},
    kept::Kept,
    queue::Queue,
    resource::resource,
    sender::Sender,
    shared::Shared,
    transport::Transport,
};
use crate::{
    app::{Application, Failure},
    config::{CollectorUrl, Traces},
};

/// How long what waits may take to be sent at the end. With the rest of a stop it has to fit below
/// the 30 s after which Kubernetes kills, beside a drain of 25. Taste.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Takes the requests that are kept. Clones are the same.
#[derive(Clone)]
pub(crate) struct Exporter {
    shared: Arc<Shared>,
    config: Traces,
    endpoint: CollectorUrl,
}

impl Exporter {
    /// `None` where no collector is configured. Does no I/O.
    pub(crate) fn new(config: &Traces, engine: Engine) -> Option<Self> {
        let endpoint = config.endpoint.clone()?;
        let shared = Shared {
            queue: Queue::new(config.queue_max, config.queue_bytes_max),
            figures: Figures::default(),
            database: match engine {
                Engine::Sqlite => "sqlite",
                Engine::Postgres => "postgresql",
            },
            batch_delay: config.batch_delay,
        };
        Some(Self { shared: Arc::new(shared), config: config.clone(), endpoint })
    }

    /// What is counted.
    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Spans that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.queue.spans()
    }

    /// Begins to send, in the name of the service.
    pub(crate) fn start<A: Application>(
        &self,
        clock: &Arc<dyn Clock>,
    ) -> Result<Exporting, Failure> {
        let to = self.endpoint.traces().clone();
        let transport = Transport::new(&self.config, to, clock.clone()).map_err(|error| {
            Failure::new(
                "traces cannot be exported",
                format!("no certificate is trusted on this system: {error}"),
                "install the certificates (`ca-certificates`), or unset \
                 OTEL_EXPORTER_OTLP_ENDPOINT",
            )
        })?;
        let (stop, stopped) = watch::channel(false);
        let sender = Sender {
            shared: self.shared.clone(),
            transport,
            resource: resource(&self.config, A::NAME, A::VERSION, clock.now()),
            patience: self.config.patience,
            stop: stopped,
            not_before: Instant::now(),
            complained: None,
            told_of_partial: false,
        };
        let (endpoint, sample_ratio) = (self.endpoint.to_string(), self.config.sample_ratio.0);
        tracing::info!(endpoint, sample_ratio, "traces are exported");
        Ok(Exporting { stop, sending: tokio::spawn(sender.run()), shared: self.shared.clone() })
    }
}

impl RequestLog for Exporter {
    fn record(&self, line: &RequestLine<'_>) {
        if Kept::is_kept(line) {
            let request = Kept::copy(line);
            let spans = request.spans() as u64;
            if !self.shared.queue.offer(request) {
                self.shared.figures.lose(Loss::QueueFull, spans);
            }
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The task that sends. Dropped without [`stop`](Self::stop) it ends by itself.
#[derive(Debug)]
pub(crate) struct Exporting {
    stop: watch::Sender<bool>,
    sending: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Exporting {
    /// Sends what waits, one attempt for each batch and [`FLUSH_MAX`] at most, and ends.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(FLUSH_MAX, &mut self.sending).await.is_err() {
            self.sending.abort();
            let waiting = self.shared.queue.spans();
            tracing::warn!(waiting, "the last traces could not be exported in time");
        }
    }
}
