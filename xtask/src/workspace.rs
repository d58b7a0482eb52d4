//! Where the workspace is, and how a command is run in it.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;

/// The folders every task needs.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and a call from a subfolder are honoured.
    pub(crate) fn locate() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata failed")?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
        })
    }

    /// Where test processes leave the error codes they have seen.
    pub(crate) fn coverage(&self) -> PathBuf {
        self.scratch("contract-coverage")
    }

    /// A folder of a task, below the one that `cargo clean` removes. It may not exist yet.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.target.join(name)
    }

    /// A command that starts at the root and waits for no input.
    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let (program, arguments) = line.split_first().expect("every caller names a program");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; a failure is an error that shows the command.
    pub(crate) fn run(&self, line: &[&str]) -> Result<()> {
        finish(&mut self.command(line))
    }

    /// What a command prints; its failure is an error that shows the command.
    pub(crate) fn output(&self, line: &[&str]) -> Result<String> {
        let output = self.command(line).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot start `{}`", line.join(" ")))?;
        ensure!(output.status.success(), "`{}` failed: {}", line.join(" "), output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Whether a command exists and succeeds. Prints nothing.
    pub(crate) fn succeeds(&self, line: &[&str]) -> bool {
        let mut command = self.command(line);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

/// Shows a command, runs it and turns its failure into an error.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let shown = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}

/// Makes a folder, or removes what is in it.
pub(crate) fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot empty {}", folder.display()))
        }
        _ => fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn an_emptied_folder_exists_and_holds_nothing() {
        let folder = env::temp_dir().join(format!("xtask-empty-{}", std::process::id()));
        empty(&folder).expect("a folder that is not there is made");
        fs::write(folder.join("old"), "left over").expect("writable");
        empty(&folder).expect("a folder that is there is emptied");
        assert_eq!(fs::read_dir(&folder).expect("it exists").count(), 0);
        fs::remove_dir(&folder).expect("ours to remove");
    }
}
