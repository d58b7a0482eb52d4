//! The command line that every service has.

mod backup;
mod check;
mod describe;
mod doctor;
mod migrate;
mod output;
mod parse;
mod promote;
mod secret;
mod serve;
mod why;

use std::{future::Future, path::PathBuf, process::ExitCode};

use clap::ArgMatches;

use output::{complain, print};
pub use secret::read_secret;

use crate::{
    app::{self, Application, Failure, Overrides},
    config::{Effective, Framework, Loader, Sources},
};

/// Runs the service's command line: `main` is this and nothing else.
///
/// Exit codes: 0 done, 1 failed, 2 the command line or the configuration cannot be used (then
/// nothing has been opened or bound). `doctor` exits with 1 for warnings and 2 for errors.
pub fn run<A: Application>() -> ExitCode {
    let matches = match parse::command::<A>().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let configured = match configure::<A>(&matches) {
        Ok(configured) => configured,
        Err(errors) => {
            complain(&errors);
            return ExitCode::from(2);
        }
    };
    for warning in configured.effective.warnings() {
        complain(&format_args!("warning: {warning}"));
    }
    match dispatch::<A>(&matches, configured) {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// The configuration of one process, whole.
struct Configured<A: Application> {
    framework: Framework,
    settings: A::Settings,
    effective: Effective,
}

fn configure<A: Application>(
    matches: &ArgMatches,
) -> Result<Configured<A>, crate::config::ConfigErrors> {
    let file = matches.get_one::<PathBuf>("config").cloned();
    let mut loader = Loader::new(Sources::of_process(file))
        .with_default("database.url", format!("sqlite:data/{}.db", A::NAME));
    let framework = Framework::load(&mut loader);
    let settings = A::settings(&mut loader);
    let effective = loader.finish()?;
    Ok(Configured { framework, settings, effective })
}

fn dispatch<A: Application>(
    matches: &ArgMatches,
    configured: Configured<A>,
) -> Result<ExitCode, Failure> {
    let Configured { framework, settings, effective } = configured;
    match matches.subcommand() {
        None | Some(("serve", _)) => {
            return block_on(serve::run::<A>(&framework, &settings, effective));
        }
        Some(("config", matches)) => print(&describe::config(&effective, matches)),
        Some(("routes", _)) => print(&block_on(describe::routes::<A>(&framework, &settings))?),
        Some(("openapi", _)) => print(&block_on(describe::openapi::<A>(&framework, &settings))?),
        Some(("check", matches)) => {
            return block_on(check::run::<A>(&framework, &settings, matches));
        }
        Some(("backup", matches)) => print(&block_on(backup::run::<A>(&framework, matches))?),
        Some(("promote", matches)) => print(&block_on(promote::run::<A>(&framework, matches))?),
        Some(("doctor", matches)) => {
            return block_on(async { Ok(doctor::run::<A>(&framework, matches).await) });
        }
        Some(("errors", matches)) => {
            print(&block_on(describe::errors::<A>(&framework, &settings, matches))?);
        }
        Some(("metrics", m)) => print(&block_on(describe::metrics::<A>(&framework, &settings, m))?),
        Some(("why", matches)) => return block_on(why::run(&framework, matches)),
        Some(("migrate", matches)) => return block_on(migrate::run::<A>(&framework, matches)),
        Some((name, matches)) => block_on(async {
            let resources = app::open::<A>(&framework, &Overrides::default()).await?;
            let database = resources.database.clone();
            let outcome = A::run_command(name, matches, resources, settings).await;
            database.close().await;
            outcome
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unexpected("the async runtime does not start", &error))?;
    runtime.block_on(work)
}
