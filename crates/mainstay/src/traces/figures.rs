//! What is counted about the export.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why spans were not exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The queue was full.
    QueueFull,
    /// The collector did not want them.
    Rejected,
    /// No collector took them in time.
    Unreachable,
}

impl Loss {
    pub(crate) const ALL: [Self; 3] = [Self::QueueFull, Self::Rejected, Self::Unreachable];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    exported: AtomicU64,
    dropped: [AtomicU64; Loss::ALL.len()],
    failures: AtomicU64,
}

impl Figures {
    /// Spans that a collector has taken.
    pub(crate) fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// Spans that were lost.
    pub(crate) fn dropped(&self, why: Loss) -> u64 {
        self.dropped[why as usize].load(Relaxed)
    }

    /// Attempts that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    pub(super) fn export(&self, spans: u64) {
        self.exported.fetch_add(spans, Relaxed);
    }

    pub(super) fn lose(&self, why: Loss, spans: u64) {
        self.dropped[why as usize].fetch_add(spans, Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }
}
