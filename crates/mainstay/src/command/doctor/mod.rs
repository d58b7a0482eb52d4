//! `doctor`: what will fail in production, found before it does.
//!
//! Looks and changes nothing: it binds ports for a moment, and creates no database.

mod database;
mod finding;
mod host;
mod pooler;
mod redis;
mod timeouts;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::ArgMatches;
use mainstay_store::{DatabaseOptions, DatabaseUrl};

use self::finding::{Finding, Report};
use crate::{
    app::{self, Application},
    config::Framework,
};

pub(super) async fn run<A: Application>(framework: &Framework, matches: &ArgMatches) -> ExitCode {
    let report = examine::<A>(framework).await;
    super::print(&if matches.get_flag("json") {
        format!("{:#}\n", report.to_json())
    } else {
        report.to_string()
    });
    report.exit_code()
}

async fn examine<A: Application>(framework: &Framework) -> Report {
    let (url, options) = match app::database_options::<A>(framework) {
        Ok(both) => both,
        Err(failure) => return Report(vec![Finding::failed("database", &failure)]),
    };
    let patient = Patient { framework, url: &url, options: &options };
    let mut findings = database::examine::<A>(&patient).await;
    findings.extend(redis::examine::<A>(framework).await);
    findings.extend(timeouts::examine(&patient));
    findings.extend(host::examine(&patient));
    Report(findings)
}

/// What is looked at.
struct Patient<'a> {
    framework: &'a Framework,
    url: &'a DatabaseUrl,
    options: &'a DatabaseOptions,
}
