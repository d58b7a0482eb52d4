//! Which errors the tests have produced, for `cargo xtask coverage`.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use mainstay_web::edge::ProblemObserver;

/// The folder that `cargo xtask test` names; each process writes a file of its own there.
const FOLDER: &str = "CONTRACT_COVERAGE";

/// Notes every problem, when somebody asked for it.
pub(crate) fn observer() -> Option<ProblemObserver> {
    let file = Mutex::new(file()?);
    Some(Arc::new(move |method, route, code| {
        if let Ok(mut file) = file.lock() {
            // One write per line, so that a killed process leaves whole lines.
            let line = format!("{method}\t{route}\t{code}\n");
            let _ = file.write_all(line.as_bytes());
        }
    }))
}

#[expect(clippy::disallowed_methods, reason = "set by the test runner, not by a configuration")]
fn file() -> Option<File> {
    let folder = PathBuf::from(std::env::var(FOLDER).ok()?);
    let path = folder.join(format!("{}.tsv", std::process::id()));
    OpenOptions::new().create(true).append(true).open(path).ok()
}
