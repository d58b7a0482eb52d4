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

#[cfg(test)]
mod tests {
    use mainstay_store::Migrations;
    use mainstay_web::{NoContent, Routes, get};

    use super::*;
    use crate::{
        Assembly, Resources,
        command::parse,
        config::{ConfigFile, Loader, Sources},
    };

    /// Says nothing about its one endpoint but who may call it.
    struct Undisciplined;

    impl Application for Undisciplined {
        const NAME: &'static str = "undisciplined";
        const VERSION: &'static str = "0.0.0";

        type Settings = ();

        fn settings(_: &mut Loader) {}

        fn migrations() -> Migrations {
            Migrations::new(&[])
        }

        fn assemble(_: &Resources, (): &()) -> Assembly {
            async fn undecided() -> NoContent {
                NoContent
            }
            let routes = Routes::new("m", ()).add(get("/undecided", undecided).public());
            Assembly::new().mount(routes).mount_raw("/raw", axum::Router::new(), "")
        }
    }

    fn framework() -> Framework {
        let url = ("DATABASE_URL".to_owned(), "sqlite::memory:".to_owned());
        let sources = Sources { file: ConfigFile::None, environment: vec![url] };
        let mut loader = Loader::new(sources);
        let framework = Framework::load(&mut loader);
        loader.finish().expect("no mistake");
        framework
    }

    async fn check(arguments: &[&str]) -> Result<ExitCode, Failure> {
        let line = [&["undisciplined", "check"], arguments].concat();
        let matches = parse::command::<Undisciplined>().get_matches_from(line);
        let (_, matches) = matches.subcommand().expect("`check`");
        run::<Undisciplined>(&framework(), &(), matches).await
    }

    #[tokio::test]
    async fn something_undecided_fails_the_command() {
        for arguments in [&[] as &[&str], &["--json"]] {
            assert_eq!(check(arguments).await.expect("a matrix"), ExitCode::FAILURE);
        }
    }

    #[tokio::test]
    async fn each_finding_names_the_place_also_of_a_raw_router() {
        let matrix = app::discipline::<Undisciplined>(&framework(), &()).await.expect("a matrix");
        let findings: Vec<_> = matrix.findings().iter().map(ToString::to_string).collect();
        let has = |parts: [&str; 2]| {
            findings.iter().any(|told| {
                told.starts_with(file!()) && parts.iter().all(|part| told.contains(part))
            })
        };
        assert!(has(["GET /undecided: cache: ", ".cache(Cache::NoStore)"]), "{findings:#?}");
        assert!(has(["GET /undecided: documented: ", ".summary("]), "{findings:#?}");
        assert!(has(["GET /undecided: errors: ", "RATE_LIMITED"]), "{findings:#?}");
        assert!(has(["* /raw/{*rest}: access: ", "the reason is blank"]), "{findings:#?}");
    }

    #[tokio::test]
    async fn evidence_is_what_the_run_produced_and_the_matrix_asks_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("writable");
        };
        write("1.tsv", "GET\t/undecided\tRATE_LIMITED\nGET\t/elsewhere\tFORBIDDEN\n");
        write("2.tsv", "-\t-\tINVALID_HOST\n");
        let seen = sightings(folder.path()).expect("well formed");
        let matrix = app::discipline::<Undisciplined>(&framework(), &()).await.expect("a matrix");
        let expected = "*\t*\tINVALID_HOST\nGET\t/undecided\tRATE_LIMITED\n";
        assert_eq!(matrix.tested(&seen), expected);
        write("3.tsv", "no evidence\n");
        assert!(sightings(folder.path()).is_err());
        assert!(sightings(&folder.path().join("nowhere")).is_err());
    }
}
