//! What ends a server together with the process that started it.

use std::{
    fs::Permissions,
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Sees the end of this process, because its input ends then.
const SCRIPT: &str = include_str!("guard.sh");

/// The folder of a server; both are gone once this is dropped, or its process has ended: by a
/// signal, too, which runs no destructor.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    script: Child,
}

impl Guard {
    /// Makes a folder for a server that will write its process into `pid_file`, a path in the
    /// folder, and that ends at once on `signal`.
    pub(crate) fn new(pid_file: &str, signal: &str) -> io::Result<Self> {
        let mut folder = tempfile::Builder::new();
        // The server's account must be able to pass; what is inside belongs to the account alone.
        let folder = folder.permissions(Permissions::from_mode(0o711)).tempdir()?;
        let mut script = Command::new("sh");
        script.args(["-c", SCRIPT, "guard", pid_file, signal]).current_dir(folder.path());
        // Out of reach of what ends this process and its group.
        script.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let script = script.spawn()?;
        Ok(Self { folder: folder.keep(), script })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // Nobody can be told when it fails.
        let _ = self.script.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::process::Pid;

    use super::*;
    use crate::machine::has_ended;

    #[test]
    fn a_server_and_its_folder_are_gone_with_the_guard() {
        let guard = Guard::new("pid", "TERM").expect("a guard");
        let folder = guard.folder().to_owned();
        // Its parent ends at once, so that nobody but the system waits for it.
        let start = "sleep 600 >/dev/null & echo $! > pid";
        let started = Command::new("sh").args(["-c", start]).current_dir(&folder).status();
        assert!(started.expect("a shell").success());
        let pid = fs::read_to_string(folder.join("pid")).expect("was written");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process");
        assert!(!has_ended(pid));
        drop(guard);
        assert!(has_ended(pid) && !folder.exists());
    }
}
