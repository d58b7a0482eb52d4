//! A log file that is kept to a size and an age, and opened again when it was moved away.
//!
//! Everything happens on the thread that writes, between two batches, so that no line can fall
//! between the old file and the new one.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use mainstay_core::{Clock as _, SystemClock, Timestamp};

/// When a file is put aside for a new one, and how many of those are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// Before it grows beyond so many bytes.
    pub(super) bytes_max: Option<u64>,
    /// Before the first line that is written when it is so old.
    pub(super) age_max: Option<Duration>,
    /// Files put aside: `NAME.1` is the latest, and the oldest is removed.
    pub(super) files_kept: u32,
}

/// The file that lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    rotation: Rotation,
    born: Timestamp,
    /// A rotation that failed is not tried again before.
    not_before: Timestamp,
}

/// Whatever keeps a file from being renamed is not gone with the next batch, and must not fill the
/// log by itself. Taste.
const ROTATION_RETRY: Duration = Duration::from_mins(1);

impl LogFile {
    /// Opens a file to append to; it is created readable for its owner and group only.
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = open(path)?;
        let born = born(&file.metadata()?);
        Ok(Self { path: path.to_owned(), file, rotation, born, not_before: Timestamp::MIN })
    }

    /// Puts the file aside if it is time to, before so many bytes are written. Asks the system
    /// instead of counting: others may append too, or truncate the file.
    pub(super) fn rotate_before(&mut self, bytes: usize) -> io::Result<()> {
        let Rotation { bytes_max, age_max, .. } = self.rotation;
        if bytes_max.is_none() && age_max.is_none() {
            return Ok(());
        }
        let now = SystemClock::new().now();
        let metadata = self.file.metadata()?;
        let full = bytes_max.is_some_and(|max| metadata.len() + bytes as u64 > max);
        let old = age_max.is_some_and(|max| now.duration_since(self.born).unsigned_abs() >= max);
        let worth_it = metadata.is_file() && metadata.len() > 0 && now >= self.not_before;
        if !worth_it || !(full || old) {
            return Ok(());
        }
        self.not_before = now.saturating_add(ROTATION_RETRY).unwrap_or(Timestamp::MAX);
        // If the file has been moved or replaced by somebody else, that was the rotation.
        if self.is_in_place(&metadata) {
            self.put_aside()?;
        }
        self.reopen()?;
        self.not_before = Timestamp::MIN;
        Ok(())
    }

    /// `NAME.2` becomes `NAME.3`, `NAME.1` becomes `NAME.2`, and the file `NAME.1`. A gap ends the
    /// shifting: what is beyond has nothing to make room for.
    fn put_aside(&self) -> io::Result<()> {
        // Where the path is a symbolic link, the file is renamed and the link stays.
        let file = fs::canonicalize(&self.path)?;
        let numbered = |number: u32| {
            let mut name = OsString::from(&file);
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let kept = self.rotation.files_kept;
        let gap = (1..=kept).find(|number| !numbered(*number).exists()).unwrap_or(kept);
        for number in (1..gap).rev() {
            fs::rename(numbered(number), numbered(number + 1))?;
        }
        fs::rename(&file, numbered(1))
    }

    /// Opens the path again. True if it is another file than before. After an error the old file
    /// stays in use.
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        let replaced = !self.is_in_place(&self.file.metadata()?);
        if replaced {
            self.file = open(&self.path)?;
            self.born = born(&self.file.metadata()?);
        }
        Ok(replaced)
    }

    fn is_in_place(&self, open: &Metadata) -> bool {
        fs::metadata(&self.path).is_ok_and(|named| identity(&named) == identity(open))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // A named pipe is opened for both directions, or opening it would wait for a reader.
    options.read(is_pipe(path));
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(path)?;
    if ends_within_a_line(path) {
        // A process that was killed left the beginning of a line behind. A full disk may refuse
        // this; then the torn line and the next one are one, as they would have been anyway.
        let _ = file.write_all(b"\n");
    }
    Ok(file)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;

    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;

    (metadata.dev(), metadata.ino())
}

/// When the file was created, if the file system knows; else this is its beginning.
fn born(metadata: &Metadata) -> Timestamp {
    let created = metadata.created().ok().and_then(|time| Timestamp::try_from(time).ok());
    created.unwrap_or_else(|| SystemClock::new().now())
}

fn ends_within_a_line(path: &Path) -> bool {
    let last_byte = || {
        let is_file = fs::metadata(path)?.is_file();
        let mut file =
            if is_file { File::open(path)? } else { return Err(ErrorKind::Other.into()) };
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok::<_, io::Error>(byte[0])
    };
    last_byte().is_ok_and(|byte| byte != b'\n')
}
