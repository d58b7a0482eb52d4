//! The servers' programs, wherever they are installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::ServerError;

/// Where Debian keeps every version of PostgreSQL; only its client programs are on the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Where Debian keeps PgBouncer: not on everybody's `PATH`.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// The folder that holds PostgreSQL's programs.
///
/// The newest of Debian's versions, unless the `PATH` has one: who put it there wants it used.
pub(crate) fn postgres() -> Result<PathBuf, ServerError> {
    // Somebody may have linked some of the programs only.
    let linked = |program: PathBuf| {
        let program = fs::canonicalize(program).ok()?;
        program.parent().map(Path::to_owned).filter(|folder| holds_programs(folder))
    };
    let found = on_path("initdb").find_map(linked).or_else(newest_of_debian);
    let package = "postgresql";
    found.ok_or(ServerError::NotInstalled { program: "PostgreSQL's server", package })
}

/// PgBouncer: the one of the `PATH`, or Debian's.
pub(crate) fn pgbouncer() -> Result<PathBuf, ServerError> {
    let found = on_path("pgbouncer").chain([PGBOUNCER.into()]).find(|program| program.is_file());
    found.ok_or(ServerError::NotInstalled { program: "PgBouncer", package: "pgbouncer" })
}

/// Redis, or Valkey, which speaks the same: whichever the `PATH` has.
pub(crate) fn redis() -> Result<PathBuf, ServerError> {
    let found = on_path("redis-server").chain(on_path("valkey-server"));
    let found = found.into_iter().find(|program| program.is_file());
    found.ok_or(ServerError::NotInstalled { program: "Redis", package: "redis-server" })
}

/// The library that shows a process another time of day: Debian's, for programs with threads.
pub(crate) fn faketime() -> Result<PathBuf, ServerError> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let library = |folder: PathBuf| folder.join("faketime").join("libfaketimeMT.so.1");
    let mut found = folders.map(|entry| library(entry.path())).filter(|path| path.is_file());
    found.next().ok_or(ServerError::NotInstalled { program: "libfaketime", package: "faketime" })
}

fn on_path(program: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    folders.into_iter().map(move |folder| folder.join(program))
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten();
    let versions = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path().join("bin");
        holds_programs(&folder).then_some((number, folder))
    });
    Some(versions.max()?.1)
}

fn holds_programs(folder: &Path) -> bool {
    let needed = ["initdb", "postgres", "pg_ctl", "dropdb", "pg_basebackup"];
    needed.iter().all(|name| folder.join(name).is_file())
}
