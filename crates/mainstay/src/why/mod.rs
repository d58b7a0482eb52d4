//! Why a request ended as it did: the requests that are worth a look, kept in memory with their
//! steps, and the operators' endpoints that tell of them. The command `why` shows the answers.

mod entry;
mod error;
mod recorder;
mod routes;
mod sample;
mod shelf;
mod slowest;
mod wire;

pub(crate) use recorder::Recorder;
pub(crate) use routes::routes;
pub(crate) use wire::{Record, Records, Stage};

/// Whether a clock that was read in parallel has gone on: it is later, or was set back by so much
/// that no delay of a thread explains it.
const fn has_moved_on(now: u64, known: u64, delay_max: u64) -> bool {
    now > known || known - now > delay_max
}

#[cfg(test)]
mod tests;
