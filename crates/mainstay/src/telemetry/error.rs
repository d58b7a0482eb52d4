//! Why there is no log.

use std::{io, path::PathBuf};

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
    /// Standard output cannot be used.
    #[error("cannot write the log to standard output")]
    Stdout(#[source] io::Error),
    /// The system refuses a thread.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// [`Telemetry::init`](super::Telemetry::init) was called before, or another subscriber was
    /// installed.
    #[error("the process already has a log")]
    AlreadyInitialised,
}
