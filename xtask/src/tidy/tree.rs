//! The repository as git and cargo see it, so that nothing generated is judged.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::source::Source;

/// A text file of the repository.
pub(super) struct File {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// A file the rules need. Its absence is a failure: a check of nothing would pass.
    pub(super) fn required(path: &str) -> Self {
        let text = fs::read_to_string(root().join(path));
        let text = text.unwrap_or_else(|error| panic!("{path} is needed here: {error}"));
        Self { path: path.to_owned(), text }
    }

    /// The lines, numbered from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// A crate of the workspace.
pub(super) struct Member {
    /// The name of its folder, which is what people call it: `core`, `accounts`.
    pub(super) folder: String,
    /// The name other manifests use: `mainstay-core`.
    pub(super) package: String,
    pub(super) manifest: File,
    /// What it depends on by itself: package name and kind.
    pub(super) dependencies: Vec<(String, DependencyKind)>,
}

/// The root of the workspace the test was started in. Asked at run time: a path compiled in is that
/// of another clone when two of them share a target folder, and then the wrong tree passes.
pub(super) fn root() -> PathBuf {
    let here = env::current_dir().expect("cargo starts a test in the folder of its package");
    assert!(here.ends_with("xtask"), "started in {} instead of xtask", here.display());
    here.parent().expect("xtask is a folder of the workspace").to_owned()
}

/// Every tracked or yet untracked file that is text and not ignored.
pub(super) fn files() -> Vec<File> {
    let root = root();
    let output = Command::new("git")
        // A clone made by another user, as in a build container, is still ours to read.
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(&root)
        .output()
        .expect("git is needed to list the files");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listing = String::from_utf8(output.stdout).expect("paths here are UTF-8");
    let read = |path: &str| {
        // Unreadable is a file deleted and not yet staged, or one that is not text.
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(File { path: path.to_owned(), text })
    };
    listing.split_terminator('\0').filter_map(read).collect()
}

/// Every Rust file.
pub(super) fn sources() -> Vec<Source> {
    let rust = |file: &File| Path::new(&file.path).extension().is_some_and(|end| end == "rs");
    files().into_iter().filter(rust).map(|file| Source::new(file.path, &file.text)).collect()
}

/// Every crate of the workspace.
pub(super) fn members() -> Vec<Member> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .expect("the manifests are well formed, or this test would not have been built");
    let member = |package: cargo_metadata::Package| {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        let relative = folder.strip_prefix(&metadata.workspace_root).expect("members lie inside");
        Member {
            folder: relative.file_name().expect("no member is the root itself").to_owned(),
            manifest: File::required(relative.join("Cargo.toml").as_str()),
            package: package.name.to_string(),
            dependencies: package.dependencies.into_iter().map(|d| (d.name, d.kind)).collect(),
        }
    };
    metadata.packages.into_iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_contains_this_file_and_nothing_generated() {
        let files = files();
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy/tree.rs"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }

    #[test]
    fn the_members_contain_this_crate_with_its_dependencies() {
        let members = members();
        let this = members.iter().find(|member| member.folder == "xtask").expect("it runs here");
        let metadata = ("cargo_metadata".to_owned(), DependencyKind::Normal);
        assert!(this.dependencies.contains(&metadata));
    }
}
