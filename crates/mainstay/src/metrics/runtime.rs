//! The async runtime: as far as tokio promises to tell.

use tokio::runtime::Handle;

use super::{Collect, Family, Page};

const WORKERS: Family = Family::gauge("mainstay_runtime_workers", "Threads that run tasks");
const TASKS: Family = Family::gauge("mainstay_runtime_tasks", "Tasks that have not ended");
const QUEUE: Family = Family::gauge(
    "mainstay_runtime_queue_length",
    "Tasks that could run and wait for a thread, in the queue that all threads share",
);

/// What the runtime of the scrape tells.
pub(crate) struct Runtime;

impl Collect for Runtime {
    fn collect(&self, page: &mut Page) {
        // Every scrape runs on a runtime; without one there is nothing to tell.
        let metrics = Handle::try_current().ok().map(|runtime| runtime.metrics());
        let read: [(Family, fn(&tokio::runtime::RuntimeMetrics) -> usize); 3] = [
            (WORKERS, |metrics| metrics.num_workers()),
            (TASKS, |metrics| metrics.num_alive_tasks()),
            (QUEUE, |metrics| metrics.global_queue_depth()),
        ];
        for (family, read) in read {
            let mut samples = page.family(&family);
            if let Some(metrics) = &metrics {
                samples.value(read(metrics));
            }
        }
    }
}
