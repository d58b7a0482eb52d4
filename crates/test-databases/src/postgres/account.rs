//! Who runs the server: it refuses to run as root, so root hands it to an account of its own.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

use super::ServerError;

/// The account that Debian's package makes.
const NAME: &str = "postgres";

/// Whose processes and files the server's are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// Those of whoever runs the tests.
    Own,
    /// Those of the account made for it.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(super) fn find() -> Result<Self, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        named(&accounts).ok_or(ServerError::NoAccount)
    }

    /// Makes a command run as this account.
    pub(super) fn run_as(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or a folder to this account.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
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
