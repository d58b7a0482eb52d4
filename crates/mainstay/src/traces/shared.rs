//! What the listener, the sender and the metrics have in common.

use std::time::Duration;

use super::{figures::Figures, queue::Queue};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) figures: Figures,
    /// A name of `db.system.name`.
    pub(super) database: &'static str,
    pub(super) batch_delay: Duration,
}
