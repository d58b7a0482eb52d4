//! The log of a process: opened once, and shared by everybody who writes to it.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    sync::Arc,
    time::Duration,
};

use mainstay_core::{Clock, RequestId, RequestLog, SystemClock, TraceContext};
use tracing::Dispatch;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use super::{
    error::TelemetryError,
    events::Events,
    format::{Colours, Format},
    levels::Levels,
    output::Output,
    request_line::RequestLines,
    rotation::{LogFile, Rotation},
    sink::Sink,
};
use crate::config::{Log, LogFormat};

/// Calls back with the request that the calling task serves, if it serves one.
pub type CurrentRequest = fn(&mut dyn FnMut(&RequestId, &TraceContext));

/// The log of a process.
#[derive(Clone)]
pub struct Telemetry {
    sink: Sink,
    requests: Arc<dyn RequestLog>,
    dispatch: Dispatch,
    levels: Levels,
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
        let output = match &config.file {
            None => Output::stdout().map_err(TelemetryError::Stdout)?,
            Some(path) => LogFile::open(path, rotation(config))
                .map(Output::File)
                .map_err(|source| TelemetryError::File { path: path.clone(), source })?,
        };
        let sink = Sink::new(output, format).map_err(TelemetryError::Thread)?;
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
        let sink = Sink::new(Output::Stream(output), format).map_err(TelemetryError::Thread)?;
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
        let (filter, handle) = Levels::filter(&config.level);
        let dispatch = Dispatch::new(Registry::default().with(filter).with(events));
        let levels = Levels::new(&config.level, handle, dispatch.clone());
        Self { sink, requests: Arc::new(requests), dispatch, levels }
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

    /// Which events are logged, to be changed while the process runs.
    pub fn levels(&self) -> Levels {
        self.levels.clone()
    }

    /// Asks for the log file to be opened again, after somebody has moved it away; does not wait.
    /// Nothing for a log that is no file.
    pub fn reopen(&self) {
        self.sink.reopen();
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

fn rotation(config: &Log) -> Rotation {
    Rotation {
        bytes_max: config.rotate_bytes,
        age_max: config.rotate_seconds.map(Duration::from_secs),
        files_kept: config.files_kept,
    }
}
