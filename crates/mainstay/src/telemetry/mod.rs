//! Logs: the line of each request and the events of the application, through one bounded sink.

mod events;
mod line;
mod pretty;
mod request_line;
mod sink;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use mainstay_core::{Clock, RequestId, RequestLog, SystemClock, TraceContext};
use tracing::{Dispatch, Level};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use self::{events::Events, line::Line, request_line::RequestLines, sink::Sink};
use crate::config::{Log, LogFormat};

/// Calls back with the request that the calling task serves, if it serves one.
pub type CurrentRequest = fn(&mut dyn FnMut(&RequestId, &TraceContext));

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The file cannot be opened.
    #[error(
        "cannot append to the log file {}; check LOG_FILE and the folder's permissions",
        path.display()
    )]
    File {
        /// As configured.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses a thread.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// [`Telemetry::init`] was called before, or another subscriber was installed.
    #[error("the process already has a log")]
    AlreadyInitialised,
}

/// The log of a process.
#[derive(Clone)]
pub struct Telemetry {
    sink: Sink,
    requests: Arc<dyn RequestLog>,
    dispatch: Dispatch,
}

impl Telemetry {
    /// Opens the log and makes it the one that `tracing` events of the whole process go to.
    pub fn init(config: &Log, current: CurrentRequest) -> Result<Self, TelemetryError> {
        let telemetry = Self::new(config, current)?;
        tracing::dispatcher::set_global_default(telemetry.dispatch.clone())
            .map_err(|_| TelemetryError::AlreadyInitialised)?;
        Ok(telemetry)
    }

    /// Opens a log beside others; events reach it where [`dispatch`](Self::dispatch) is installed.
    pub fn new(config: &Log, current: CurrentRequest) -> Result<Self, TelemetryError> {
        let is_terminal = config.file.is_none() && io::stdout().is_terminal();
        let colours = match config.no_color {
            None if is_terminal => Colours::On,
            _ => Colours::Off,
        };
        let format = match config.format {
            LogFormat::Json => Format::Json,
            LogFormat::Auto if !is_terminal => Format::Json,
            LogFormat::Auto | LogFormat::Pretty => Format::Pretty(colours),
        };
        let sink = match &config.file {
            None => Sink::stdout(format.loss_notice()).map_err(TelemetryError::Thread)?,
            Some(path) => Sink::file(path, format.loss_notice())
                .map_err(|source| TelemetryError::File { path: path.clone(), source })?,
        };
        Ok(Self::on(sink, format, config, current, Arc::new(SystemClock::new())))
    }

    /// A log on any output, beside others: JSON unless `pretty` is configured, never coloured.
    pub fn with_output(
        output: Box<dyn Write + Send>,
        config: &Log,
        current: CurrentRequest,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TelemetryError> {
        let format = match config.format {
            LogFormat::Pretty => Format::Pretty(Colours::Off),
            LogFormat::Auto | LogFormat::Json => Format::Json,
        };
        let sink = Sink::new(output, format.loss_notice()).map_err(TelemetryError::Thread)?;
        Ok(Self::on(sink, format, config, current, clock))
    }

    fn on(
        sink: Sink,
        format: Format,
        config: &Log,
        current: CurrentRequest,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let requests = RequestLines { sink: sink.clone(), format, client: config.client };
        let events = Events { sink: sink.clone(), format, clock, current };
        let subscriber = Registry::default().with(config.level.0.clone()).with(events);
        Self { sink, requests: Arc::new(requests), dispatch: Dispatch::new(subscriber) }
    }

    /// Where the edge puts the line of each request.
    pub fn request_log(&self) -> Arc<dyn RequestLog> {
        self.requests.clone()
    }

    /// Where `tracing` puts events; for `tracing::dispatcher::with_default` and
    /// `WithSubscriber`.
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch.clone()
    }

    /// Lines lost so far to an output that was too slow or failed.
    pub fn dropped(&self) -> u64 {
        self.sink.dropped()
    }

    /// Blocks the thread until every line so far is written; false when that takes longer than
    /// `timeout`. For the end of the process.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.sink.flush(timeout)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// The shape of lines, decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Pretty(Colours),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    On,
    Off,
}

impl Format {
    fn loss_notice(self) -> sink::LossNotice {
        match self {
            Self::Json => |out, lost| {
                let mut line = Line::default();
                line.open(SystemClock::new().now(), level_name(Level::WARN));
                line.raw(",\"msg\":\"log lines lost\"");
                line.number("lost", lost);
                line.raw("}\n");
                out.append(&mut line.into_bytes());
            },
            Self::Pretty(_) => |out, lost| {
                let mut line = Line::default();
                pretty::start(&mut line, SystemClock::new().now(), Level::WARN, Colours::Off);
                line.raw("log lines lost: ");
                line.digits(lost);
                line.raw("\n");
                out.append(&mut line.into_bytes());
            },
        }
    }
}

/// Lower case, as every log of every language has it.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
