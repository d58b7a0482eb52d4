//! `check`: the discipline matrix, and the evidence that it asks for.

use std::{fs, path::Path, path::PathBuf, process::ExitCode};

use clap::ArgMatches;
use mainstay_web::discipline::Evidence;

use crate::{
    app::{self, Application, Failure},
    config::Framework,
};

/// Prints the matrix and fails when something is undecided; with `--evidence` prints the lines of a
/// test run that are worth committing.
pub(super) async fn run<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    matches: &ArgMatches,
) -> Result<ExitCode, Failure> {
    let matrix = app::discipline::<A>(framework, settings).await?;
    if let Some(folder) = matches.get_one::<PathBuf>("evidence") {
        super::print(&matrix.tested(&sightings(folder)?));
        return Ok(ExitCode::SUCCESS);
    }
    super::print(&if matches.get_flag("json") {
        format!("{:#}\n", matrix.to_json())
    } else {
        matrix.to_string()
    });
    for finding in matrix.findings() {
        super::complain(&finding);
    }
    Ok(if matrix.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that the processes of a test run have written into a folder.
fn sightings(folder: &Path) -> Result<Evidence, Failure> {
    let unreadable = |error| {
        Failure::unexpected(format!("cannot read the test run in {}", folder.display()), &error)
    };
    let mut text = String::new();
    for file in fs::read_dir(folder).map_err(unreadable)? {
        text += &fs::read_to_string(file.map_err(unreadable)?.path()).map_err(unreadable)?;
    }
    Evidence::parse(&text).map_err(|invalid| {
        let fix = "name the folder that CONTRACT_COVERAGE named for the tests";
        Failure::new("this is no folder of a test run", invalid.to_string(), fix)
    })
}
