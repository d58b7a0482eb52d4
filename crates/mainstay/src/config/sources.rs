//! Where configuration comes from, as a value: tests pass their own.

use std::path::PathBuf;

/// The file below the working folder that is read when it exists and no other is named.
const USUAL_FILE: &str = "mainstay.toml";

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// None.
    None,
    /// This one, when it exists.
    IfPresent(PathBuf),
    /// This one; it is an error when it cannot be read.
    Required(PathBuf),
}

/// Everything a [`Loader`](super::Loader) reads.
#[derive(Clone)]
pub struct Sources {
    /// The file.
    pub file: ConfigFile,
    /// Environment variables; of two with one name the later counts.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// Nothing: every knob has its default.
    pub const fn none() -> Self {
        Self { file: ConfigFile::None, environment: Vec::new() }
    }

    /// The environment of this process, and the file named on its command line if one was.
    ///
    /// The one place that reads the environment. A value that is not UTF-8 is kept with
    /// replacement characters, so that the knob it belongs to can say what is wrong.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |raw: std::ffi::OsString| raw.to_string_lossy().into_owned();
        Self {
            file: match file {
                Some(path) => ConfigFile::Required(path),
                None => ConfigFile::IfPresent(USUAL_FILE.into()),
            },
            environment: std::env::vars_os().map(|(k, v)| (text(k), text(v))).collect(),
        }
    }
}

/// Shows the names only: values may be secret.
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources").field("file", &self.file).field("environment", &names).finish()
    }
}
