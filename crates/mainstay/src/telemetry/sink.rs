//! Where log lines go: a bounded buffer that a thread of its own empties.
//!
//! Appending takes a short lock and copies. It never waits for the output. What the output does not
//! take is kept and offered again, from the byte where it failed, so that a full disk or a pipe
//! without a reader tears no line. Meanwhile the buffer fills; when it is full, lines are dropped
//! and counted, and once the output works again a line says how many are missing.

use std::{
    io, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use super::{format::Format, notice::Notice, output::Output};

/// Bytes that may wait. About 3,000 request lines, a tenth of a second at full load on two cores;
/// a second buffer of this size is being written meanwhile.
pub(super) const BUFFER_BYTES: usize = 1 << 20;

/// A batch this large does not linger: the other half is room for what arrives before it is taken.
const BATCH_BYTES: usize = BUFFER_BYTES / 2;

/// How long lines gather before they are written. Short enough to feel immediate at a terminal,
/// long enough that the writer wakes at most 200 times a second.
const LINGER: Duration = Duration::from_millis(5);

/// How often an output that failed is tried again. Four attempts a second cost nothing, and nobody
/// notices a quarter of a second after an outage. Taste.
const RETRY: Duration = Duration::from_millis(250);

/// Room for what the log says about itself, beside a full batch; such a line is cut at some 1,100.
const NOTICES_BYTES: usize = 4096;

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
    /// The file has been moved away, or may have been.
    reopen: bool,
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

/// What the writer is to do next, beside writing the batch.
struct Work {
    /// Lines lost before the batch was taken, to be told.
    lost: u64,
    reopen: bool,
}

/// How the wait after a failure ended.
enum Pause {
    TryAgain,
    Reopen,
    /// Nobody can wait any longer.
    GiveUp,
}

impl Sink {
    /// Starts a writer. Fails when the system refuses a thread.
    pub(super) fn new(output: Output, format: Format) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                batch: Vec::with_capacity(BUFFER_BYTES + NOTICES_BYTES),
                writer: Writer::Awake,
                urgent: false,
                reopen: false,
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
        let run = move || writer.write_batches(output, format);
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

    /// Lines lost so far, to a full buffer, or at the end to an output that failed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.0.lock().dropped
    }

    /// Asks the writer to open its file again, before the next batch or the next attempt at this
    /// one. Does not wait for it.
    pub(super) fn reopen(&self) {
        let mut state = self.0.0.lock();
        state.reopen = true;
        state.writer = Writer::Awake;
        drop(state);
        self.0.0.wake.notify_one();
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
        !self.urgent && !self.reopen && !self.closed && self.batch.len() < BATCH_BYTES
    }
}

impl Shared {
    /// No code that can panic runs under the lock, so a poisoned one holds a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_batches(&self, mut output: Output, format: Format) {
        let mut batch = Vec::with_capacity(BUFFER_BYTES + NOTICES_BYTES);
        while let Some(Work { lost, reopen }) = self.next_batch(&mut batch) {
            let taken = batch.len() as u64;
            let mut tell = |notice: Notice| notice.write(format, &mut batch);
            if lost > 0 {
                tell(Notice::Lost(lost));
            }
            if reopen {
                let _ = output.reopen().map_err(|error| tell(Notice::NotReopened(error)));
            }
            if let Err(error) = output.rotate_before(batch.len()) {
                Notice::NotRotated(error).write(format, &mut batch);
            }
            let given_up = self.write(&mut output, &batch);
            let mut state = self.lock();
            state.done += taken;
            state.lose(given_up);
            drop(state);
            self.progress.notify_all();
            batch.clear();
        }
    }

    /// Writes a batch, however long that takes. Returns how many lines were given up, which happens
    /// only at the end of the process.
    fn write(&self, output: &mut Output, batch: &[u8]) -> u64 {
        let mut written = 0;
        loop {
            written += output.write(&batch[written..]);
            if written == batch.len() {
                return 0;
            }
            match self.pause() {
                Pause::TryAgain => {}
                Pause::GiveUp => return count_lines(&batch[written..]),
                Pause::Reopen => {
                    // A line that was begun in the old file is whole in the new one.
                    if let Ok(true) = output.reopen() {
                        let begun = batch[..written].iter().rposition(|byte| *byte == b'\n');
                        written = begun.map_or(0, |end| end + 1);
                    }
                }
            }
        }
    }

    /// Waits until an output that has failed is worth another attempt.
    fn pause(&self) -> Pause {
        let state = self.lock();
        let waited = self.wake.wait_timeout_while(state, RETRY, |s| !s.closed && !s.reopen);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if mem::take(&mut state.reopen) {
            Pause::Reopen
        } else if state.closed {
            Pause::GiveUp
        } else {
            Pause::TryAgain
        }
    }

    /// Waits for lines and exchanges them for the empty buffer. `None` when nothing can come any
    /// more.
    fn next_batch(&self, empty: &mut Vec<u8>) -> Option<Work> {
        let mut state = self.lock();
        loop {
            let lingered = self.wake.wait_timeout_while(state, LINGER, |s| s.may_linger());
            state = lingered.unwrap_or_else(PoisonError::into_inner).0;
            if !state.batch.is_empty() || state.reopen {
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
        let lost = mem::take(&mut state.unreported);
        Some(Work { lost, reopen: mem::take(&mut state.reopen) })
    }
}

/// A line whose beginning went out counts: it cannot be read.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').count() as u64
}
