//! One server for all tests of a run, and of the next run when it follows soon.
//!
//! Tests run in processes of their own, many at a time, and none of them is the last. So the server
//! belongs to none: the first process that needs one starts it, and a watchdog beside it ends it
//! when no process has used it for a minute. Everything is in one folder below the temporary one:
//!
//! - `use.lock`: held shared by every process that uses the server, until the process ends in
//!   whatever way; the watchdog ends the server while it holds it alone.
//! - `start.lock`: held by whoever looks whether there is a server, and starts one.
//! - `server`: port and password of the server that was started last.
//! - `data`: the server's files.
//!
//! The locks are never removed, so that all hold the same ones.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{
    cluster::{Audience, Cluster, Durability},
    session::Session,
};
use crate::machine::{Account, Address, ServerError, USER, programs};

/// Ends the server of the folder it is given, once nobody uses it.
const WATCHDOG: &str = include_str!("watchdog.sh");

/// How often the watchdog must find the server unused, every two seconds: for a minute. Taste: long
/// enough to build between two runs, short enough to be gone when somebody looks.
const LOOKS: u32 = 30;

/// The use of the shared server by this process.
struct Use {
    server: Address,
    // Locked until the process ends.
    _lock: File,
}

/// A database of the shared server.
///
/// # Panics
/// When there is no server and none can be started; the message says what is missing.
pub(crate) fn address(database: &str) -> Address {
    shared().server.sibling(database)
}

/// Has a database dropped, by a process that outlives this one.
///
/// Nobody may wait for it here: the server waits for the log-in of every connection before it drops
/// a database, and the client of such a connection may be the very thread that drops this one.
pub(crate) fn drop_database(name: &str) -> Result<(), ServerError> {
    let Address { port, password, .. } = &shared().server;
    let mut command = Command::new(programs::postgres()?.join("dropdb"));
    command.args(["--force", "--if-exists", "--maintenance-db=postgres", name]);
    command.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string());
    command.env("PGUSER", USER).env("PGPASSWORD", password);
    Ok(detach(&mut command)?)
}

fn shared() -> &'static Use {
    static USE: OnceLock<Use> = OnceLock::new();
    let begin = || own_folder().and_then(|folder| begin(&folder, LOOKS));
    USE.get_or_init(|| begin().unwrap_or_else(|error| panic!("{error}")))
}

fn begin(folder: &Path, looks: u32) -> Result<Use, ServerError> {
    let lock = lock_file(&folder.join("use.lock"))?;
    lock.lock_shared()?;
    let starting = lock_file(&folder.join("start.lock"))?;
    starting.lock()?;
    let server = match find(folder) {
        Some(server) => server,
        None => start(folder, looks)?,
    };
    Ok(Use { server, _lock: lock })
}

/// The server's folder: that of this account, and nobody else's.
fn own_folder() -> Result<PathBuf, ServerError> {
    let own = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("mainstay-postgres-{own}"));
    // The account of the server must be able to pass; what is inside is closed by itself.
    match DirBuilder::new().mode(0o711).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&folder)?;
    if metadata.uid() != own || !metadata.is_dir() {
        return Err(ServerError::NotOurs(folder.display().to_string()));
    }
    Ok(folder)
}

fn lock_file(path: &Path) -> Result<File, ServerError> {
    Ok(File::options().mode(0o600).create(true).append(true).open(path)?)
}

/// The server that was started last, if it answers.
fn find(folder: &Path) -> Option<Address> {
    let text = fs::read_to_string(folder.join("server")).ok()?;
    let (port, password) = text.split_once(' ')?;
    let (port, password) = (port.parse().ok()?, password.to_owned());
    let address = Address { port, password, database: "postgres".to_owned() };
    // By its password, so that nobody else's server at this port is taken for it.
    Session::connect(&address.url()).is_ok().then_some(address)
}

fn start(folder: &Path, looks: u32) -> Result<Address, ServerError> {
    // What a server that was killed has left.
    match fs::remove_dir_all(folder.join("data")) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut cluster = Cluster::init(folder, Durability::Risked, Audience::Everybody)?;
    cluster.start()?;
    let server = format!("{} {}", cluster.address.port, cluster.address.password);
    Account::Own.secret(&folder.join("server"), &server)?;
    watch(folder, looks)?;
    Ok(cluster.address)
}

fn watch(folder: &Path, looks: u32) -> Result<(), ServerError> {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", WATCHDOG, "watchdog", &looks.to_string()]);
    Ok(detach(watchdog.current_dir(folder))?)
}

/// Starts a process out of reach of what ends this one and its group.
fn detach(command: &mut Command) -> io::Result<()> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::PermissionsExt,
        time::{Duration, Instant},
    };

    use super::*;

    /// Waits for what the watchdog does last; only a failing test waits half a minute.
    async fn ended(folder: &Path) {
        let begun = Instant::now();
        while folder.join("data").exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the server is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_server_that_nobody_uses_ends_and_the_next_user_gets_another() {
        let mut folder = tempfile::Builder::new();
        let folder = folder.permissions(Permissions::from_mode(0o711)).tempdir().expect("a folder");
        let first = begin(folder.path(), 1).expect("starts");
        let second = begin(folder.path(), 1).expect("is there");
        assert_eq!(first.server.port, second.server.port, "one server for both");
        let url = first.server.url();
        drop(first);
        assert!(Session::connect(&url).is_ok(), "it is used");
        drop(second);
        ended(folder.path()).await;
        assert!(Session::connect(&url).is_err(), "it has ended");
        let third = begin(folder.path(), 1).expect("starts again");
        assert!(Session::connect(&third.server.url()).is_ok());
        // The folder may only go after the server.
        drop(third);
        ended(folder.path()).await;
    }
}
