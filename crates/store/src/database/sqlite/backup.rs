//! Copying a database in use into a file of its own.
//!
//! The copy is that of one moment: the source connection holds a read transaction, and so keeps its
//! snapshot of the write-ahead log while writers go on. Without it SQLite would begin anew whenever
//! another process has written, and never end beside a busy one.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::connection::{self, Place};
use crate::{database::DatabaseOptions, error::Explanation};

/// Pages between two reports: 1 MiB of pages of the usual size, which is read in a millisecond or
/// two.
const PAGES_PER_STEP: i32 = 256;

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Bytes copied.
    pub done: u64,
    /// Bytes of the whole database.
    pub total: u64,
}

/// There is no backup.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BackupError(pub Explanation);

impl BackupError {
    fn new(what: String, why: impl Into<String>, fix: &str) -> Self {
        Self(Explanation { what, why: why.into(), fix: fix.to_owned() })
    }

    pub(crate) fn not_embedded() -> Self {
        let why = "the database is a server, which copies itself better than a client can";
        Self::new("there is no backup".to_owned(), why, "Use pg_dump, or the server's own backup.")
    }
}

pub(super) fn stopped() -> BackupError {
    let what = "the backup was not finished".to_owned();
    BackupError::new(what, "the process is about to stop", "Begin it again.")
}

pub(super) fn run(
    place: &Place,
    options: &DatabaseOptions,
    to: &Path,
    progress: impl FnMut(BackupProgress),
) -> Result<u64, BackupError> {
    let what = format!("cannot back up to {}", to.display());
    let wrong = |why: String, fix: &str| BackupError::new(what.clone(), why, fix);
    if to.exists() {
        let fix = "Name another file, or remove this one first.";
        return Err(wrong("there is a file already".to_owned(), fix));
    }
    let partial = Partial::create(to).map_err(|error| {
        let fix = "Name a file in a folder that can be written; remove a FILE.partial that a \
                   killed backup has left.";
        wrong(format!("{}.partial cannot be created ({error})", to.display()), fix)
    })?;
    let source = connection::open_reader(place, options).map_err(|error| BackupError(error.0))?;
    let failed = |error: rusqlite::Error| {
        wrong(format!("SQLite says: {error}"), "Check the disk of the database and of the copy.")
    };
    copy(&source, &partial.0, progress).map_err(failed)?;
    let verdict = verify(&partial.0).map_err(failed)?;
    if verdict != "ok" {
        let fix = "The database itself may be damaged: run `PRAGMA integrity_check` on it.";
        return Err(wrong(format!("the copy is damaged: {verdict}"), fix));
    }
    partial.keep_as(to).map_err(|error| {
        wrong(format!("the finished copy cannot be kept ({error})"), "Check the folder.")
    })
}

fn copy(
    source: &Connection,
    to: &Path,
    mut progress: impl FnMut(BackupProgress),
) -> rusqlite::Result<()> {
    // The first read takes the snapshot, and dropping the connection gives it back.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
    let page: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(source, &mut target)?;
        loop {
            let step = backup.step(PAGES_PER_STEP)?;
            let pages = backup.progress();
            let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * u64::from(page);
            let done = bytes(pages.pagecount - pages.remaining);
            progress(BackupProgress { done, total: bytes(pages.pagecount) });
            if step == StepResult::Done {
                break;
            }
        }
    }
    // The copy says that it has a log beside it, and must be whole without.
    target.query_row("PRAGMA journal_mode = DELETE", (), |_| Ok(()))?;
    target.close().map_err(|(_, error)| error)
}

fn verify(file: &Path) -> rusqlite::Result<String> {
    let copy = Connection::open(file)?;
    copy.query_row("PRAGMA integrity_check", (), |row| row.get(0))
}

/// A file that is removed unless it is kept.
struct Partial(PathBuf);

impl Partial {
    fn create(to: &Path) -> std::io::Result<Self> {
        let mut name = to.as_os_str().to_owned();
        name.push(".partial");
        let mut creation = OpenOptions::new();
        creation.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut creation, 0o600);
        creation.open(&name)?;
        Ok(Self(name.into()))
    }

    /// Gives the file its name, durably, and says how large it is.
    fn keep_as(self, to: &Path) -> std::io::Result<u64> {
        let file = File::open(&self.0)?;
        file.sync_all()?;
        fs::rename(&self.0, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It has another name when it was kept.
        let _ = fs::remove_file(&self.0);
    }
}
