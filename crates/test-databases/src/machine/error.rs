//! Why there is no server.

use std::io;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "{program} is needed and not installed; on Debian and Ubuntu: `apt-get install {package}`, \
         elsewhere put its programs on the PATH"
    )]
    NotInstalled {
        /// What is missing.
        program: &'static str,
        /// Debian's package of it.
        package: &'static str,
    },
    /// Root may not run it, and nobody else can.
    #[error(
        "neither PostgreSQL nor PgBouncer runs as root, and there is no account `postgres` to run \
         them as; Debian's package makes one: `apt-get install postgresql`"
    )]
    NoAccount,
    /// One of its programs fails.
    #[error("`{program}` failed: {output}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it has written, and the end of the server's log.
        output: String,
    },
    /// Its folder cannot be made or used.
    #[error("the folder of a server: {0}")]
    Folder(#[from] io::Error),
    /// Somebody else's files are where the shared server's should be.
    #[error("{0} belongs to somebody else")]
    NotOurs(String),
}
