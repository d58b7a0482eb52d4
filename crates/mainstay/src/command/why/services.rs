//! What the processes of a service say about an id, together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::ArgMatches;

use super::{
    super::complain,
    Form,
    ask::{self, Answer},
    paint::plain,
    timeline,
};
use crate::{
    app::Failure,
    config::Ops,
    why::{Record, Records},
};

/// Asks processes that run.
pub(super) async fn tell(
    id: &str,
    ops: &Ops,
    matches: &ArgMatches,
    form: Form,
) -> Result<String, Failure> {
    let instances: Vec<String> = match matches.get_many::<String>("ops") {
        Some(urls) => urls.cloned().collect(),
        None => vec![configured(ops)?],
    };
    let token = ops.token.as_ref().map(|token| &token.0);
    let answers = ask::all(instances, id, token).await?;
    let Told { records, missing } = merge(id, answers)?;
    for what in missing {
        complain(&format_args!("warning: {}", plain(&what)));
    }
    match form {
        Form::Json => {
            let records = serde_json::to_string(&Records { records })
                .map_err(|error| Failure::unexpected("the records are no JSON", &error))?;
            Ok(format!("{}\n", plain(&records)))
        }
        Form::Text(paint) => {
            let shown: Vec<_> = records.iter().map(|it| timeline::show(it, paint)).collect();
            Ok(shown.join("\n"))
        }
    }
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
    Ok(format!("http://{}", SocketAddr::new(host, ops.port)))
}

/// What was told, and by whom nothing.
#[derive(Debug)]
struct Told {
    /// In the order in which they arrived.
    records: Vec<Record>,
    /// Who should have been heard as well, and why they were not.
    missing: Vec<String>,
}

/// Puts the records of all together; fails when there are none.
fn merge(id: &str, answers: Vec<(String, Answer)>) -> Result<Told, Failure> {
    let mut told = Told { records: Vec::new(), missing: Vec::new() };
    let (mut unknown, mut help) = (Vec::new(), None);
    for (instance, answer) in answers {
        match answer {
            Answer::Records(records) => told.records.extend(records),
            Answer::NotKept(detail) => unknown.push(format!("{instance}: {detail}")),
            Answer::Refused(why, fix) => {
                told.missing.push(format!("{instance}: {why}"));
                help = Some(fix);
            }
        }
    }
    if !told.records.is_empty() {
        told.records.sort_by(|a, b| a.time.cmp(&b.time));
        return Ok(told);
    }
    let why = [told.missing, unknown].concat().join("; ");
    let what = match help {
        Some(_) => format!("nobody could be asked about {id}"),
        None => format!("no request {id} is kept"),
    };
    let fix = help.unwrap_or(
        "ask every process (`--ops URL`, repeated), or read the log: `why ID --log FILE`",
    );
    Err(Failure::new(what, plain(&why), fix))
}
