//! The server's programs, wherever they are installed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::ServerError;

/// Where Debian keeps every version of the server; only its client programs are on the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder that holds the server's programs.
///
/// The newest of Debian's versions, unless the `PATH` has one: who put it there wants it used.
pub(super) fn folder() -> Result<PathBuf, ServerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Somebody may have linked some of the programs only.
    let linked = |folder: PathBuf| {
        let program = fs::canonicalize(folder.join("initdb")).ok()?;
        program.parent().map(Path::to_owned).filter(|folder| holds_programs(folder))
    };
    let on_path = env::split_paths(&path).find_map(linked);
    on_path.or_else(newest_of_debian).ok_or(ServerError::NotInstalled)
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
    ["initdb", "postgres", "pg_ctl", "dropdb"].iter().all(|name| folder.join(name).is_file())
}
