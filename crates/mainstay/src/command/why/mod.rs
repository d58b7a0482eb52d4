//! `why ID`: from the id of a request or of a trace to what happened, and what it cost.

mod answer;
mod ask;
mod log;
mod paint;
mod timeline;
mod verdict;

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, IsTerminal as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    process::ExitCode,
};

use clap::ArgMatches;
use mainstay_core::RequestId;

use self::{log::Search, paint::Paint};
use crate::{
    app::Failure,
    config::{Framework, Ops},
    why::Records,
};

/// A request id is at most this, and a failure repeats no more of what was no id.
const SHOWN_MAX: usize = RequestId::LENGTH_MAX;

pub(super) async fn run(framework: &Framework, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let id = matches.get_one::<String>("id").map_or("", String::as_str);
    if RequestId::parse(id).is_none() {
        let shown: String = id.chars().take(SHOWN_MAX).collect();
        return Err(Failure::new(
            format!("`{}` is no request id and no trace id", paint::plain(&shown)),
            "both consist of 1 to 128 of A-Z, a-z, 0-9 and . _ -",
            "copy it from `request_id` of the error's body, from the header `x-request-id` or \
             from the log",
        ));
    }
    let is_json = matches.get_flag("json");
    let colours = io::stdout().is_terminal() && framework.log.no_color.is_none();
    let paint = if colours { Paint::Colours } else { Paint::Plain };
    let text = match matches.get_many::<PathBuf>("log") {
        Some(files) => from_logs(id, files, is_json, paint)?,
        None => from_services(id, framework, matches, is_json, paint).await?,
    };
    super::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Asks processes that run.
async fn from_services(
    id: &str,
    framework: &Framework,
    matches: &ArgMatches,
    is_json: bool,
    paint: Paint,
) -> Result<String, Failure> {
    let instances: Vec<String> = match matches.get_many::<String>("ops") {
        Some(urls) => urls.cloned().collect(),
        None => vec![configured(&framework.ops)?],
    };
    let token = framework.ops.token.as_ref().map(|token| &token.0);
    let answers = ask::all(instances, id, token).await?;
    let answer::Told { records, missing } = answer::merge(id, answers)?;
    for what in missing {
        super::complain(&format_args!("warning: {}", paint::plain(&what)));
    }
    if is_json {
        let records = serde_json::to_string(&Records { records })
            .map_err(|error| Failure::unexpected("the records are no JSON", &error))?;
        return Ok(format!("{}\n", paint::plain(&records)));
    }
    let shown: Vec<_> = records.iter().map(|record| timeline::show(record, paint)).collect();
    Ok(shown.join("\n"))
}

/// Where this machine's process listens, by the configuration.
fn configured(ops: &Ops) -> Result<String, Failure> {
    if ops.port == 0 {
        return Err(Failure::new(
            "nobody knows where the operators' listener is",
            "ops.port is 0: the system has chosen a port, and the log says which (`serving`)",
            "name it: `--ops http://127.0.0.1:PORT`",
        ));
    }
    // What listens everywhere is also here.
    let host = match ops.host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    Ok(format!("http://{}", std::net::SocketAddr::new(host, ops.port)))
}

/// Reads the logs of any number of processes.
fn from_logs<'f>(
    id: &str,
    files: impl Iterator<Item = &'f PathBuf>,
    is_json: bool,
    paint: Paint,
) -> Result<String, Failure> {
    let mut search = Search::new(id);
    for path in files {
        let read = if path.as_os_str() == "-" {
            search.read(io::stdin().lock())
        } else {
            File::open(path).and_then(|file| search.read(BufReader::with_capacity(1 << 20, file)))
        };
        read.map_err(|error| {
            let path = path.to_string_lossy();
            let what = format!("the log `{}` cannot be read", paint::plain(&path));
            Failure::new(what, error.to_string(), "name a file with JSON lines, or `-`")
        })?;
    }
    let found = search.finish();
    let unread = format!("{} lines are no JSON or too long, and were skipped", found.skipped);
    if found.lines.is_empty() {
        return Err(Failure::new(
            format!("no line has the id {id}"),
            format!("{} lines were read; {unread}", found.read),
            "read the logs of every process, and those put aside: `--log FILE --log FILE.1`",
        ));
    }
    if found.skipped > 0 {
        super::complain(&format_args!("warning: {unread}"));
    }
    if found.omitted > 0 {
        let omitted = found.omitted;
        super::complain(&format_args!("warning: {omitted} more lines have this id"));
    }
    let mut text = String::new();
    for line in found.lines {
        if is_json {
            let line = serde_json::Value::Object(line).to_string();
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}", paint::plain(&line));
        } else {
            text += &log::show(line, paint);
        }
    }
    Ok(text)
}
