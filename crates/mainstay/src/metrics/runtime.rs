//! The async runtime: as far as tokio promises to tell.

use tokio::runtime::{Handle, RuntimeMetrics};

use super::{Collect, Family, Page};

const WORKERS: Family = Family::gauge("mainstay_runtime_workers", "Threads that run tasks");
const TASKS: Family = Family::gauge("mainstay_runtime_tasks", "Tasks that have not ended");
const QUEUE: Family = Family::gauge(
    "mainstay_runtime_queue_length",
    "Tasks that could run and wait for a thread, in the queue that all threads share",
);

/// One of its numbers.
type Number = fn(&RuntimeMetrics) -> usize;

/// What the runtime of the scrape tells.
pub(crate) struct Runtime;

impl Collect for Runtime {
    fn collect(&self, page: &mut Page) {
        // Every scrape runs on a runtime; without one there is nothing to tell.
        let metrics = Handle::try_current().ok().map(|runtime| runtime.metrics());
        let numbers: [(Family, Number); 3] = [
            (WORKERS, RuntimeMetrics::num_workers),
            (TASKS, RuntimeMetrics::num_alive_tasks),
            (QUEUE, RuntimeMetrics::global_queue_depth),
        ];
        for (family, read) in numbers {
            let mut samples = page.family(&family);
            if let Some(metrics) = &metrics {
                samples.value(read(metrics));
            }
        }
    }
}
