//! Logs: the line of each request and the events of the application, through one bounded sink.

mod error;
mod events;
mod format;
mod line;
mod log;
mod pretty;
mod request_line;
mod sink;

#[cfg(test)]
mod tests;

pub use self::{
    error::TelemetryError,
    log::{CurrentRequest, Telemetry},
};
