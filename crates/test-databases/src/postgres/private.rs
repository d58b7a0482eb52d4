//! `PrivatePostgres`: a server of one test's own, to crash and to start again.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::PathBuf};

use tempfile::TempDir;

use super::cluster::{Cluster, Durability, ServerError};

/// A server that nobody else uses; it is gone when it is dropped. It takes most of a second to
/// make, so a test that only needs a database has [`TestDatabase`](crate::TestDatabase).
#[derive(Debug)]
pub struct PrivatePostgres {
    cluster: Cluster,
    // Removed after the server has ended.
    _folder: TempDir,
}

impl PrivatePostgres {
    /// Makes and starts one; returns once it answers.
    pub fn start(durability: Durability) -> Result<Self, ServerError> {
        let mut folder = tempfile::Builder::new();
        // Its account must be able to pass; what is inside belongs to the account alone.
        let folder = folder.permissions(Permissions::from_mode(0o711)).tempdir()?;
        let mut cluster = Cluster::init(folder.path(), durability)?;
        cluster.start()?;
        Ok(Self { cluster, _folder: folder })
    }

    /// The address of the database that every server has.
    pub fn url(&self) -> String {
        self.cluster.url("postgres")
    }

    /// One of the programs that came with the server, such as `pgbench`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.cluster.program(name)
    }

    /// Ends it without a warning: connections are cut, nothing is tidied.
    pub fn crash(&self) -> Result<(), ServerError> {
        self.cluster.crash()
    }

    /// Starts it again after a [`crash`](Self::crash), at the same address.
    pub fn start_again(&self) -> Result<(), ServerError> {
        self.cluster.start_on_port()
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // It may have crashed already.
        let _ = self.cluster.crash();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour::Neighbour;

    #[test]
    fn a_server_that_crashes_keeps_what_was_committed() {
        for durability in [Durability::Kept, Durability::Risked] {
            let server = PrivatePostgres::start(durability).expect("starts");
            let neighbour = Neighbour::at_server(&server.url());
            neighbour.run("CREATE TABLE notes (id bigint); INSERT INTO notes VALUES (1)");
            server.crash().expect("ends");
            server.start_again().expect("starts again");
            let neighbour = Neighbour::at_server(&server.url());
            assert_eq!(neighbour.number("SELECT count(*) FROM notes"), 1);
            let sync = "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'";
            assert_eq!(neighbour.number(sync) == 1, durability == Durability::Kept);
        }
    }
}
