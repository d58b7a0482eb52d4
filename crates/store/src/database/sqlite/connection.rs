//! Opening one connection, and explaining why that did not work.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, config::DbConfig};

use super::super::DatabaseOptions;
use crate::error::OpenError;

/// Prepared statements kept by each connection. A service has fewer; each takes a few kilobytes.
const STATEMENTS_KEPT: usize = 128;

/// What the write-ahead log is cut back to after a checkpoint: 16 times what it grows to between
/// two automatic checkpoints, so it is only ever cut after a burst.
const JOURNAL_BYTES_KEPT: u32 = 64 << 20;

/// Between two tries for the lock of a database in memory. It has no snapshots: a reader waits for
/// the writer, which takes microseconds.
const MEMORY_RETRY: Duration = Duration::from_micros(50);

/// Where the data is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    /// A name known to this process only.
    Memory(String),
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    number: u64,
}

impl Place {
    /// A new, empty place.
    pub(crate) fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Memory(format!("file:/mainstay-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// `None` in memory, where there is no file, and on systems that do not number files.
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            #[cfg(unix)]
            Self::File(path) => {
                use std::os::unix::fs::MetadataExt;
                let metadata = fs::metadata(path).ok()?;
                Some(Identity { device: metadata.dev(), number: metadata.ino() })
            }
            _ => None,
        }
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        // Each connection stays on one thread, so SQLite need not lock it.
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::File(path) => Connection::open_with_flags(path, flags),
            Self::Memory(uri) => {
                let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE;
                Connection::open_with_flags(uri, flags)
            }
        }
    }

    fn what(&self) -> String {
        match self {
            Self::File(path) => format!("cannot open the database {}", path.display()),
            Self::Memory(_) => "cannot open a database in memory".to_owned(),
        }
    }
}

/// Opens the connection that writes; creates file and folder when they are missing.
pub(super) fn open_writer(
    place: &Place,
    options: &DatabaseOptions,
) -> Result<Connection, OpenError> {
    if let Place::File(path) = place {
        create_file(path)?;
    }
    let explained = |error| explain(place, &error);
    let mut connection = place.connect(OpenFlags::empty()).map_err(explained)?;
    let journal = configure(&mut connection, place, options)
        .and_then(|()| connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0)))
        .map_err(explained)?;
    let journal: String = journal;
    if matches!(place, Place::File(_)) && journal != "wal" {
        return Err(OpenError::new(
            place.what(),
            format!("its file system allows no write-ahead log (the journal stays `{journal}`)"),
            "Put the file on a local disk, not on a network file system.",
        ));
    }
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(explained)?;
    refuse_read_only(&connection, place)?;
    Ok(connection)
}

/// Opens a connection that only reads, after the writer has been opened.
pub(super) fn open_reader(
    place: &Place,
    options: &DatabaseOptions,
) -> Result<Connection, OpenError> {
    let connection = place.connect(OpenFlags::empty()).and_then(|mut connection| {
        configure(&mut connection, place, options)?;
        connection.execute_batch("PRAGMA query_only = ON")?;
        Ok(connection)
    });
    connection.map_err(|error| explain(place, &error))
}

fn configure(
    connection: &mut Connection,
    place: &Place,
    options: &DatabaseOptions,
) -> rusqlite::Result<()> {
    let patience = options.busy_timeout;
    match place {
        Place::File(_) => connection.busy_timeout(patience)?,
        Place::Memory(_) => connection.busy_handler(Some(move |tries: i32| {
            std::thread::park_timeout(MEMORY_RETRY);
            MEMORY_RETRY * tries.unsigned_abs() < patience
        }))?,
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A string in double quotes is a mistyped column, and an error on PostgreSQL.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // No memory map: reads through it would count as our memory, and a failing disk would end the
    // process with SIGBUS instead of an error.
    connection.execute_batch(&format!(
        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; PRAGMA journal_size_limit = {}",
        options.cache_bytes / 1024,
        JOURNAL_BYTES_KEPT,
    ))
}

/// Creates an empty file for the owner only. SQLite gives its companions the same permissions.
fn create_file(path: &Path) -> Result<(), OpenError> {
    let what = || format!("cannot open the database {}", path.display());
    if path.is_dir() {
        return Err(OpenError::new(
            what(),
            "it is a folder",
            "Name a file, for example `sqlite:data/app.db`.",
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(|error| {
            let why = format!("its folder {} cannot be created ({error})", folder.display());
            OpenError::new(what(), why, fix(&error))
        })?;
    }
    let mut creation = fs::OpenOptions::new();
    creation.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut creation, 0o600);
    match creation.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let why = format!("the file cannot be created ({error})");
            Err(OpenError::new(what(), why, fix(&error)))
        }
        _ => Ok(()),
    }
}

fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => "Give the user of this process write access to the folder.",
        ErrorKind::ReadOnlyFilesystem => "Name a file on a file system that can be written.",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "A part of the path is a file where a folder is needed; name another path."
        }
        ErrorKind::StorageFull => "Free some space on the disk.",
        _ => "Check that the path is right and can be written.",
    }
}

/// SQLite opens a file it may not write for reading, and says so only at the first write.
fn refuse_read_only(connection: &Connection, place: &Place) -> Result<(), OpenError> {
    match connection.is_readonly("main") {
        Ok(true) => Err(OpenError::new(
            place.what(),
            "the file is read-only for the user of this process",
            "Give the user write access to the file and to its folder.",
        )),
        Ok(false) => Ok(()),
        Err(error) => Err(explain(place, &error)),
    }
}

fn explain(place: &Place, error: &Error) -> OpenError {
    let (why, fix) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (
            "the file is not a SQLite database, or it is encrypted",
            "Name another file; this one was left as it is.",
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            "the operating system does not let this process open it",
            "Give the user of this process write access to the file and to its folder.",
        ),
        Some(ErrorCode::ReadOnly) => (
            "the file or its folder is read-only for the user of this process",
            "Give the user write access to the file and to its folder.",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            "another process holds its lock",
            "Stop the other process, or wait for its backup or migration to end.",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            "its content is damaged",
            "Restore a backup, or run `sqlite3 FILE .recover` on a copy.",
        ),
        Some(ErrorCode::DiskFull) => ("the disk is full", "Free some space."),
        _ => {
            let why = format!("SQLite says: {error}");
            return OpenError::new(place.what(), why, "Check the path, the disk and the file.");
        }
    };
    OpenError::new(place.what(), why, fix)
}
