//! `why ID`: from the id of a request or of a trace to what happened, and what it cost.

mod ask;
mod log;
mod paint;
mod services;
mod timeline;
mod verdict;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::ArgMatches;
use mainstay_core::RequestId;

use self::paint::{Paint, plain};
use crate::{app::Failure, config::Framework};

/// How it is shown.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// For programs.
    Json,
    /// For people.
    Text(Paint),
}

/// A request id is at most this long, and a failure repeats no more of what was none.
const SHOWN_MAX: usize = RequestId::LENGTH_MAX;

pub(super) async fn run(framework: &Framework, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let id = matches.get_one::<String>("id").map_or("", String::as_str);
    if RequestId::parse(id).is_none() {
        let shown: String = id.chars().take(SHOWN_MAX).collect();
        return Err(Failure::new(
            format!("`{}` is no request id and no trace id", plain(&shown)),
            "both consist of 1 to 128 of A-Z, a-z, 0-9 and . _ -",
            "copy it from `request_id` of the error's body, from the header `x-request-id` or \
             from the log",
        ));
    }
    let has_colours = io::stdout().is_terminal() && framework.log.no_color.is_none();
    let paint = if has_colours { Paint::Colours } else { Paint::Plain };
    let form = if matches.get_flag("json") { Form::Json } else { Form::Text(paint) };
    let text = match matches.get_many::<PathBuf>("log") {
        Some(files) => log::tell(id, files, form)?,
        None => services::tell(id, &framework.ops, matches, form).await?,
    };
    super::print(&text);
    Ok(ExitCode::SUCCESS)
}
