//! Waiting for what is asynchronous, within a runtime and without one.

use std::{panic::resume_unwind, thread};

use tokio::runtime::Runtime;

/// Works on a thread of its own: one that drives a runtime may not block on another.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

/// Waits for a future on a runtime of the caller's.
pub(crate) fn block_on<T: Send>(runtime: &Runtime, future: impl Future<Output = T> + Send) -> T {
    apart(|| runtime.block_on(future))
}
