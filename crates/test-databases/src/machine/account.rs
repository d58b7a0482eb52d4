//! Who runs the server: it refuses to run as root, so root hands it to an account of its own.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use super::ServerError;

/// The account that Debian's package makes.
const NAME: &str = "postgres";

/// Whose processes and files the server's are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// Those of whoever runs the tests.
    Own,
    /// Those of the account made for it.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn find() -> Result<Self, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        named(&accounts).ok_or(ServerError::NoAccount)
    }

    /// Makes a command run as this account.
    pub(crate) fn run_as(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or a folder to this account.
    fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
    }

    /// Makes a folder that is this account's alone.
    pub(crate) fn folder(self, path: &Path) -> io::Result<PathBuf> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        self.give(path)?;
        Ok(path.to_owned())
    }

    /// Writes a file that this account alone can read.
    pub(crate) fn secret(self, path: &Path, text: &str) -> io::Result<PathBuf> {
        let mut options = File::options();
        options.mode(0o600).write(true).create(true).truncate(true);
        options.open(path)?.write_all(text.as_bytes())?;
        self.give(path)?;
        Ok(path.to_owned())
    }
}

/// The account's line: `name:password:uid:gid:…`.
fn named(accounts: &str) -> Option<Account> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(NAME))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    let (Some(Ok(uid)), Some(Ok(gid))) = (numbers.next(), numbers.next()) else { return None };
    Some(Account::Other { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_whole_name() {
        let line = "root:x:0:0::/:/bin/sh\npostgres2:x:7:7::/:/bin/sh\n";
        assert!(named(line).is_none());
        let account = named(&format!("{line}postgres:x:101:104:,,,:/var:/bin/sh\n"));
        assert!(matches!(account, Some(Account::Other { uid: 101, gid: 104 })), "{account:?}");
    }
}
