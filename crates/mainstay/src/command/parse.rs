//! What the command line takes.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::app::Application;

pub(super) fn command<A: Application>() -> Command {
    Command::new(A::NAME)
        .version(A::VERSION)
        .about("Runs the service. Without a command: serve.")
        .disable_help_subcommand(true)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .global(true)
                .help("Configuration file [default: mainstay.toml, if there is one]"),
        )
        .subcommand(Command::new("serve").about("Answer requests until SIGTERM or Ctrl-C"))
        .subcommand(migrate())
        .subcommand(Command::new("routes").about("Print what is decided about every endpoint"))
        .subcommand(check())
        .subcommand(doctor())
        .subcommand(why())
        .subcommand(backup())
        .subcommand(promote())
        .subcommand(Command::new("openapi").about("Print the OpenAPI 3.1 document"))
        .subcommand(
            Command::new("errors")
                .about("Print the error registry as JSON")
                .arg(markdown("Print the catalogue for people instead")),
        )
        .subcommand(
            Command::new("config")
                .about("Print the effective configuration and where each value comes from")
                .arg(markdown("Print the reference of every knob instead")),
        )
        .subcommand(
            Command::new("metrics")
                .about("Print every metric of `/metrics`, and what it says")
                .arg(markdown("Print the reference for documents instead")),
        )
        .subcommands(A::commands())
}

fn check() -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    let evidence = Arg::new("evidence").long("evidence").value_name("FOLDER");
    Command::new("check")
        .about("Print the discipline matrix; fail when an endpoint leaves something undecided")
        .arg(json.help("Print it as JSON"))
        .arg(evidence.value_parser(value_parser!(PathBuf)).conflicts_with("json").help(
            "Print instead which errors the test run in this folder has produced, as far as the \
             matrix asks for them",
        ))
}

fn backup() -> Command {
    let to = Arg::new("to").long("to").value_name("FILE").required(true);
    Command::new("backup")
        .about("Copy the embedded database into a new file, while the service runs")
        .arg(to.value_parser(value_parser!(PathBuf)).help("Where to; never overwritten"))
}

fn promote() -> Command {
    let to = Arg::new("to").long("to").value_name("URL").required(true);
    Command::new("promote")
        .about("Copy the embedded database into an empty PostgreSQL, and compare both")
        .arg(to.help(
            "postgres://user:password@host:port/name; `-` asks for it, or reads it from standard \
             input: others on this machine can read arguments",
        ))
}

fn doctor() -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    Command::new("doctor")
        .about("Look for what will fail in production; exit with 1 for warnings, 2 for errors")
        .arg(json.help("Print it as JSON"))
}

fn why() -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    let id = Arg::new("id").value_name("ID").required(true);
    let ops = Arg::new("ops").long("ops").value_name("URL").action(ArgAction::Append);
    let log = Arg::new("log").long("log").value_name("FILE").action(ArgAction::Append);
    Command::new("why")
        .about("Tell what happened in a request, step by step, and what it took")
        .arg(id.help("The request_id of an error's body, or a trace id"))
        .arg(ops.help(
            "Ask the operators' listener there; repeated, several [default: the configured one]",
        ))
        .arg(
            log.value_parser(value_parser!(PathBuf))
                .conflicts_with("ops")
                .help("Read JSON log lines instead, `-` for standard input; repeated, several"),
        )
        .arg(json.help("Print it as JSON"))
}

fn migrate() -> Command {
    Command::new("migrate")
        .about("Bring the database's schema up to date")
        .subcommand_required(true)
        .subcommand(Command::new("up").about("Apply what is pending"))
        .subcommand(Command::new("status").about("Print every migration and its state"))
        .subcommand(Command::new("plan").about("Print what `up` would run, and who waits for it"))
        .subcommand(
            Command::new("check").about(
                "Fail when a migration would hold up a PostgreSQL in use; needs no database",
            ),
        )
}

fn markdown(help: &'static str) -> Arg {
    Arg::new("markdown").long("markdown").action(ArgAction::SetTrue).help(help)
}
