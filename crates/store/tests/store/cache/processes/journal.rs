//! What processes write down of their reads and writes, and who judges it: a checker that knows
//! nothing of caches.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on a clock that all processes of the machine share.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// One entry: of a read, when it began and what it found; of a write, when it was acknowledged and
/// what it made; and what a key was in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Read {
        key: u64,
        begun: u64,
        version: u64,
    },
    Written {
        key: u64,
        acknowledged: u64,
        version: u64,
    },
    Final {
        key: u64,
        version: u64,
    },
    /// Reads that were served without the database, and those that were not.
    Served {
        hits: u64,
        loads: u64,
    },
}

/// A file that one process writes.
pub(super) struct Journal(Mutex<BufWriter<File>>);

impl Journal {
    pub(super) fn create(path: &Path) -> Self {
        Self(Mutex::new(BufWriter::new(File::create(path).expect("a file"))))
    }

    /// Writes an entry down; of a write at once, because the process may be killed.
    pub(super) fn note(&self, entry: Entry) {
        let (line, is_urgent) = match entry {
            Entry::Read { key, begun, version } => (format!("r {key} {begun} {version}\n"), false),
            Entry::Written { key, acknowledged, version } => {
                (format!("w {key} {acknowledged} {version}\n"), true)
            }
            Entry::Final { key, version } => (format!("f {key} {version} 0\n"), true),
            Entry::Served { hits, loads } => (format!("s {hits} {loads} 0\n"), true),
        };
        let mut file = self.0.lock().expect("no panic");
        file.write_all(line.as_bytes()).expect("is written");
        if is_urgent {
            file.flush().expect("is written");
        }
    }
}

/// All entries of a process, in all its lives. Of a life that was ended the last line may be cut.
pub(super) fn read(path: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(path).expect("a journal");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(entry).collect()
}

fn entry(line: &str) -> Entry {
    let mut words = line.split(' ');
    let kind = words.next().expect("a kind");
    let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
    let [first, second, third] = [number(), number(), number()];
    match kind {
        "r" => Entry::Read { key: first, begun: second, version: third },
        "w" => Entry::Written { key: first, acknowledged: second, version: third },
        "f" => Entry::Final { key: first, version: second },
        _ => Entry::Served { hits: first, loads: second },
    }
}

/// Acknowledged writes of one key by time, each with the newest version so far.
#[derive(Default)]
struct Acknowledged(HashMap<u64, Vec<(u64, u64)>>);

impl Acknowledged {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut by_key: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        for entry in entries {
            if let Entry::Written { key, acknowledged, version } = *entry {
                by_key.entry(key).or_default().push((acknowledged, version));
            }
        }
        for writes in by_key.values_mut() {
            writes.sort_unstable();
            let mut newest = 0;
            for (_, version) in writes {
                newest = newest.max(*version);
                *version = newest;
            }
        }
        Self(by_key)
    }

    /// The newest version that was acknowledged before a moment.
    fn before(&self, key: u64, moment: u64) -> u64 {
        let writes = self.0.get(&key).map_or(&[][..], Vec::as_slice);
        let count = writes.partition_point(|(acknowledged, _)| *acknowledged < moment);
        count.checked_sub(1).map_or(0, |last| writes[last].1)
    }
}

/// What the processes have done, and whether they may.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) reads: usize,
    pub(super) writes: usize,
    pub(super) hits: u64,
    pub(super) loads: u64,
    /// Reads of what was written over longer than the bound before.
    pub(super) too_old: Vec<Entry>,
    /// Reads of what the same process had written over.
    pub(super) not_its_own: Vec<Entry>,
    /// What a key was in the end and should not have been.
    pub(super) left_behind: Vec<Entry>,
}

impl Judgement {
    pub(super) fn violations(&self) -> usize {
        self.too_old.len() + self.not_its_own.len() + self.left_behind.len()
    }
}

/// Judges the journals of processes; `truth` is what is in the database in the end.
pub(super) fn judge(
    processes: &[Vec<Entry>],
    bound: Duration,
    truth: &HashMap<u64, u64>,
) -> Judgement {
    let bound = bound.as_nanos() as u64;
    let everybody = Acknowledged::of(processes.iter().flatten());
    let mut judgement = Judgement::default();
    for process in processes {
        let own = Acknowledged::of(process.iter());
        for entry in process {
            match *entry {
                Entry::Read { key, begun, version } => {
                    judgement.reads += 1;
                    if version < everybody.before(key, begun.saturating_sub(bound)) {
                        judgement.too_old.push(*entry);
                    }
                    if version < own.before(key, begun) {
                        judgement.not_its_own.push(*entry);
                    }
                }
                Entry::Written { .. } => judgement.writes += 1,
                Entry::Final { key, version } if truth[&key] != version => {
                    judgement.left_behind.push(*entry);
                }
                Entry::Final { .. } => {}
                Entry::Served { hits, loads } => {
                    judgement.hits += hits;
                    judgement.loads += loads;
                }
            }
        }
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_nanos(100);

    fn violations(processes: &[Vec<Entry>]) -> [usize; 3] {
        let judgement = judge(processes, BOUND, &HashMap::from([(1, 2)]));
        [judgement.too_old.len(), judgement.not_its_own.len(), judgement.left_behind.len()]
    }

    #[test]
    fn a_read_is_judged_by_what_was_acknowledged_the_bound_before_it_began() {
        let write = |acknowledged, version| Entry::Written { key: 1, acknowledged, version };
        let read = |begun, version| Entry::Read { key: 1, begun, version };
        let writer = vec![write(1000, 2), write(900, 1)];
        assert_eq!(violations(&[writer.clone(), vec![read(1100, 1), read(1101, 2)]]), [0, 0, 0]);
        assert_eq!(violations(&[writer.clone(), vec![read(1101, 1)]]), [1, 0, 0]);
        let own = [writer, vec![read(1001, 1)]].concat();
        assert_eq!(violations(&[own]), [0, 1, 0]);
        let last = |version| vec![Entry::Final { key: 1, version }];
        assert_eq!(violations(&[last(2), last(1)]), [0, 0, 1]);
    }
}
