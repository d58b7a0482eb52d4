//! Logs: the line of each request and the events of the application, through one bounded sink.

mod error;
mod events;
mod format;
mod levels;
mod line;
mod log;
mod notice;
mod output;
mod pretty;
mod request_line;
mod rotation;
mod sink;

#[cfg(test)]
mod tests;

pub use self::{
    error::TelemetryError,
    levels::Levels,
    log::{CurrentRequest, Telemetry},
};
pub(crate) use self::{events::Chain, line::TEXT_BYTES_MAX};
