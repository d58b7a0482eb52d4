//! What the writer of a sink writes to.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use super::rotation::LogFile;

/// A place for lines.
pub(super) enum Output {
    /// Cannot be opened again: standard output, or what a test looks at.
    Stream(Box<dyn Write + Send>),
    File(LogFile),
}

/// A pause before the next attempt at a pipe that somebody has made non-blocking. As long as a line
/// lingers.
const PIPE_RETRY: Duration = Duration::from_millis(5);

impl Output {
    /// Standard output, without the buffer of the standard library: after an error nobody could
    /// tell which of its bytes went out.
    pub(super) fn stdout() -> io::Result<Self> {
        let handle = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::Stream(Box::new(File::from(handle))))
    }

    /// To be called between two batches.
    pub(super) fn rotate_before(&mut self, bytes: usize) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File(file) => file.rotate_before(bytes),
        }
    }

    /// True if what follows goes to another file than what went before.
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        match self {
            Self::Stream(_) => Ok(false),
            Self::File(file) => file.reopen(),
        }
    }

    /// Returns how many bytes went out; fewer than there are when the output fails.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let outcome = match self {
                Self::Stream(stream) => stream.write(&bytes[written..]),
                Self::File(file) => file.write(&bytes[written..]),
            };
            match outcome {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // This thread is the one that may wait for a pipe.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::park_timeout(PIPE_RETRY);
                }
                _ => break,
            }
        }
        if let Self::Stream(stream) = self {
            // A stream that buffers has taken the bytes; it answers for them.
            let _ = stream.flush();
        }
        written
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(_) => f.write_str("Stream"),
            Self::File(file) => file.fmt(f),
        }
    }
}
