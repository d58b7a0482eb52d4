//! The process, as the kernel sees it. The names are the ones that every Prometheus client uses, so
//! that charts which exist already work.

use std::fs;

use mainstay_core::Timestamp;
use rustix::process::{Resource, getrlimit};

use super::{Collect, Family, Page};

const CPU: Family = Family::counter(
    "process_cpu_seconds_total",
    "Time on a processor, for itself and in the kernel",
);
const RESIDENT: Family =
    Family::gauge("process_resident_memory_bytes", "Memory that is in RAM now");
const VIRTUAL: Family = Family::gauge("process_virtual_memory_bytes", "Addresses that are in use");
const THREADS: Family = Family::gauge("process_threads", "Threads of the system");
const OPEN_FILES: Family = Family::gauge("process_open_fds", "Open files and sockets");
const MAX_FILES: Family =
    Family::gauge("process_max_fds", "Open files and sockets that the system allows");
const START: Family =
    Family::gauge("process_start_time_seconds", "When it started, in seconds since 1970");

/// What `/proc` says; on systems without it most of the families have no samples.
pub(crate) struct Process {
    /// When it started.
    pub(crate) since: Timestamp,
}

/// Of `/proc/self/stat` what is of use.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// By `proc_pid_stat(5)`. The name of the program is in parentheses and may hold any of them.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        // The first field after the name is the third.
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: number(14)? + number(15)?,
            threads: number(20)?,
            virtual_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

impl Collect for Process {
    fn collect(&self, page: &mut Page) {
        let stat = Stat::read();
        let mut samples = page.family(&CPU);
        if let Some(stat) = stat {
            let ticks_per_second = rustix::param::clock_ticks_per_second();
            samples.value(stat.cpu_ticks as f64 / ticks_per_second as f64);
        }
        let resident = stat.map(|stat| stat.resident_pages * rustix::param::page_size() as u64);
        let open_files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        for (family, value) in [
            (RESIDENT, resident),
            (VIRTUAL, stat.map(|stat| stat.virtual_bytes)),
            (THREADS, stat.map(|stat| stat.threads)),
            // Of these one is the look itself.
            (OPEN_FILES, open_files.map(|count| count.saturating_sub(1))),
            (MAX_FILES, getrlimit(Resource::Nofile).current),
        ] {
            let mut samples = page.family(&family);
            if let Some(value) = value {
                samples.value(value);
            }
        }
        page.family(&START).value(self.since.as_millisecond() as f64 / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_whatever_the_program_is_called() {
        let line = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 17 0 12345 \
                    268435456 2048 18446744073709551615 1 1 0 0 0 0 0 4096 17 0 0 0";
        let stat =
            Stat { cpu_ticks: 300, threads: 17, virtual_bytes: 268_435_456, resident_pages: 2048 };
        assert_eq!(Stat::parse(line), Some(stat));
        for broken in ["", ")", "1 (a) S 1 2 3", "1 (a S 1"] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }
}
