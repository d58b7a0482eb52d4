//! Where log lines go: a bounded buffer that a thread of its own empties.
//!
//! Appending takes a short lock and copies. It never waits for the output: when the buffer is full
//! because the output is blocked or slow, lines are dropped and counted, and the first batch that
//! gets through afterwards is followed by a line that says how many are missing.

use std::{
    fs::OpenOptions,
    io::{self, ErrorKind, Write},
    mem,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that may wait. About 3,000 request lines, a tenth of a second at full load on two cores;
/// a second buffer of this size is being written meanwhile.
const BUFFER_BYTES: usize = 1 << 20;

/// A batch this large does not linger: the other half is room for what arrives before it is taken.
const BATCH_BYTES: usize = BUFFER_BYTES / 2;

/// How long lines gather before they are written. Short enough to feel immediate at a terminal,
/// long enough that the writer wakes at most 200 times a second.
const LINGER: Duration = Duration::from_millis(5);

/// Writes the line that says how many lines were lost.
pub(super) type LossNotice = fn(&mut Vec<u8>, u64);

/// A handle to the buffer; cheap to clone. The writer ends when the last handle is dropped, after
/// it has written what was appended.
#[derive(Clone, Debug)]
pub(super) struct Sink(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Tells the writer of work.
    wake: Condvar,
    /// Tells those who flush that a batch is done.
    progress: Condvar,
}

#[derive(Debug)]
struct State {
    /// Never grows beyond the capacity it starts with.
    batch: Vec<u8>,
    writer: Writer,
    /// Someone waits for the batch: it does not linger.
    urgent: bool,
    closed: bool,
    /// Bytes taken so far, and of those the ones written or given up.
    appended: u64,
    done: u64,
    /// Lines lost and not yet reported; and all of them.
    unreported: u64,
    dropped: u64,
}

/// Only a writer that sleeps costs its waker a system call.
#[derive(Debug, PartialEq, Eq)]
enum Writer {
    Awake,
    Asleep,
}

impl Sink {
    pub(super) fn stdout(notice: LossNotice) -> io::Result<Self> {
        Self::new(Box::new(io::stdout()), notice)
    }

    /// Appends to a file, which is created readable for its owner and group only.
    pub(super) fn file(path: &Path, notice: LossNotice) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        Self::new(Box::new(options.open(path)?), notice)
    }

    /// Starts a writer on any output. Fails when the system refuses a thread.
    pub(super) fn new(output: Box<dyn Write + Send>, notice: LossNotice) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                batch: Vec::with_capacity(BUFFER_BYTES),
                writer: Writer::Awake,
                urgent: false,
                closed: false,
                appended: 0,
                done: 0,
                unreported: 0,
                dropped: 0,
            }),
            wake: Condvar::new(),
            progress: Condvar::new(),
        });
        let writer = shared.clone();
        let run = move || writer.write_batches(Output { stream: output, torn: false }, notice);
        thread::Builder::new().name("log-writer".into()).spawn(run)?;
        Ok(Self(Arc::new(Handle(shared))))
    }

    /// Takes one line, which ends in a line break; or drops it.
    pub(super) fn append(&self, line: &[u8]) {
        let shared = &self.0.0;
        let mut state = shared.lock();
        let before = state.batch.len();
        if before + line.len() > BUFFER_BYTES {
            state.lose(1);
            return;
        }
        state.batch.extend_from_slice(line);
        state.appended += line.len() as u64;
        let ripe = before < BATCH_BYTES && state.batch.len() >= BATCH_BYTES;
        if mem::replace(&mut state.writer, Writer::Awake) == Writer::Asleep || ripe {
            drop(state);
            shared.wake.notify_one();
        }
    }

    /// Lines lost so far, to a full buffer or to an output that failed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.0.lock().dropped
    }

    /// Blocks until everything appended before the call is written or given up. False when that
    /// takes longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let shared = &self.0.0;
        let mut state = shared.lock();
        let goal = state.appended;
        if state.done >= goal {
            return true;
        }
        state.urgent = true;
        state.writer = Writer::Awake;
        shared.wake.notify_one();
        let waited = shared.progress.wait_timeout_while(state, timeout, |state| state.done < goal);
        waited.unwrap_or_else(PoisonError::into_inner).0.done >= goal
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.writer = Writer::Awake;
        drop(state);
        self.0.wake.notify_one();
    }
}

impl State {
    fn lose(&mut self, lines: u64) {
        self.unreported += lines;
        self.dropped += lines;
    }

    fn may_linger(&self) -> bool {
        !self.urgent && !self.closed && self.batch.len() < BATCH_BYTES
    }
}

impl Shared {
    /// No code that can panic runs under the lock, so a poisoned one holds a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_batches(&self, mut output: Output, notice: LossNotice) {
        let mut batch = Vec::with_capacity(BUFFER_BYTES);
        let mut notice_line = Vec::new();
        while let Some(lost_before) = self.next_batch(&mut batch) {
            let lost = output.write(&batch);
            // A loss is told once something gets through again, and until then remembered.
            let mut untold = lost_before;
            if lost == 0 && lost_before > 0 {
                notice_line.clear();
                notice(&mut notice_line, lost_before);
                if output.write(&notice_line) == 0 {
                    untold = 0;
                }
            }
            let mut state = self.lock();
            state.done += batch.len() as u64;
            state.lose(lost);
            state.unreported += untold;
            drop(state);
            self.progress.notify_all();
            batch.clear();
        }
    }

    /// Waits for lines and exchanges them for the empty buffer. Returns the number of lines lost
    /// and unreported; `None` when nothing can come any more.
    fn next_batch(&self, empty: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        loop {
            let lingered = self.wake.wait_timeout_while(state, LINGER, |s| s.may_linger());
            state = lingered.unwrap_or_else(PoisonError::into_inner).0;
            if !state.batch.is_empty() {
                break;
            }
            if state.closed {
                return None;
            }
            state.writer = Writer::Asleep;
            let woken = self.wake.wait_while(state, |s| s.writer == Writer::Asleep);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.urgent = false;
        mem::swap(&mut state.batch, empty);
        Some(mem::take(&mut state.unreported))
    }
}

/// An output that may fail and recover.
struct Output {
    stream: Box<dyn Write + Send>,
    /// A failure left the beginning of a line behind: the next line starts on a new one.
    torn: bool,
}

impl Output {
    /// Writes whole lines, and returns how many could not be.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.torn && self.write_all(b"\n") == 0 {
            return count_lines(lines);
        }
        self.torn = false;
        let written = self.write_all(lines);
        self.torn = written > 0 && lines[written - 1] != b'\n';
        count_lines(&lines[written..])
    }

    /// Returns how many bytes went out before the output failed.
    fn write_all(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Someone made the pipe non-blocking; this thread is the one that may wait for it.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(LINGER),
                _ => return written,
            }
        }
        match self.stream.flush() {
            Ok(()) => written,
            Err(_) => 0,
        }
    }
}

/// A line whose beginning went out counts: it cannot be read.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').count() as u64
}
