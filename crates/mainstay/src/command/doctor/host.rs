//! The machine: files, permissions, space, ports.

use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use mainstay_store::Engine;
use rustix::{
    fs::{Access, access, statvfs},
    process::{Resource, getrlimit},
};

use super::{Patient, finding::Finding};

/// Beside connections: the log, the runtime's own, files of the database, what a probe opens.
const FILES_BESIDES: u64 = 64;

/// Below this the write-ahead log of a burst (64 MiB are kept of it) may not find room.
const SPACE_ERROR: u64 = 64 << 20;

/// Enough for a day to react at a megabyte each minute. Taste.
const SPACE_WARNING: u64 = 1 << 30;

pub(super) fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![files(patient, getrlimit(Resource::Nofile).current)];
    if let Some(file) = patient.url.file() {
        findings.extend(database_file(file));
    }
    if let Some(file) = &patient.framework.log.file {
        findings.extend(log_file(file));
    }
    let (http, ops) = (&patient.framework.http, &patient.framework.ops);
    findings.push(port("PORT", SocketAddr::new(http.host, http.port)));
    findings.push(port("OPS_PORT", SocketAddr::new(ops.host, ops.port)));
    findings.push(operators(ops.host, ops.token.is_some()));
    findings
}

/// Whether as many connections as may be taken can be opened.
pub(super) fn files(patient: &Patient<'_>, limit: Option<u64>) -> Finding {
    const CHECK: &str = "files";
    let clients = patient.framework.http.connections_max as u64;
    let database = match patient.url.engine() {
        Engine::Postgres => patient.options.pool_max + patient.options.lanes,
        // Each connection opens the file, its log and its index.
        Engine::Sqlite => 3 * (patient.options.readers + 1),
    } as u64;
    let needed = clients + database + FILES_BESIDES;
    let sum = format!(
        "{clients} clients (http.connections_max) + {database} for the database + {FILES_BESIDES} \
         = {needed} open files"
    );
    match limit {
        Some(limit) if limit < needed => Finding::warning(
            CHECK,
            format!("{sum}, and this process may open {limit}"),
            "beyond that neither a client nor the database gets a connection",
            format!(
                "LimitNOFILE={needed} (systemd) or `ulimit -n {needed}`; or lower \
                     http.connections_max"
            ),
        ),
        Some(limit) => Finding::ok(CHECK, format!("{sum}; {limit} are allowed")),
        None => Finding::ok(CHECK, format!("{sum}; no limit")),
    }
}

pub(super) fn database_file(file: &Path) -> Vec<Finding> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut findings = Vec::new();
    if let Ok(metadata) = fs::metadata(file) {
        findings.push(writable(file, "the database"));
        findings.push(private(file, &metadata, "the database"));
    }
    // A folder that is missing is created below the nearest one that is there.
    let Some(existing) =
        folder.ancestors().find(|part| part.is_dir() || part.as_os_str().is_empty())
    else {
        return findings;
    };
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    findings.push(writable(existing, "the folder of the database"));
    findings.extend(
        statvfs(existing)
            .ok()
            .map(|stat| space(existing, stat.f_bavail.saturating_mul(stat.f_frsize))),
    );
    findings
}

fn writable(path: &Path, what: &str) -> Finding {
    let shown = path.display();
    match access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => Finding::ok("permissions", format!("{what} {shown} can be written")),
        Err(error) => Finding::error(
            "permissions",
            format!("{what} {shown} cannot be written"),
            error.to_string(),
            "give the user of this process write access to it",
        ),
    }
}

fn private(path: &Path, metadata: &Metadata, what: &str) -> Finding {
    let mode = metadata.permissions().mode() & 0o777;
    let shown = path.display();
    let others = mode & 0o077;
    if others == 0 {
        return Finding::ok("permissions", format!("{what} {shown} is its owner's only"));
    }
    Finding::warning(
        "permissions",
        format!("{what} {shown} has the mode {mode:o}"),
        "other users of this machine can read personal data, or change it",
        format!("chmod 600 {shown}"),
    )
}

fn log_file(file: &Path) -> Vec<Finding> {
    if let Ok(metadata) = fs::metadata(file) {
        return vec![writable(file, "the log"), private(file, &metadata, "the log")];
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    vec![writable(folder.unwrap_or(Path::new(".")), "the folder of the log")]
}

pub(super) fn space(folder: &Path, free: u64) -> Finding {
    let what = format!("{} MiB are free in {}", free >> 20, folder.display());
    let why = "when the disk is full every write is refused; reads go on";
    let fix = "free some space, or move the database to a larger disk";
    match free {
        SPACE_WARNING.. => Finding::ok("disk", what),
        SPACE_ERROR.. => Finding::warning("disk", what, why, fix),
        _ => Finding::error("disk", what, why, fix),
    }
}

pub(super) fn port(variable: &str, address: SocketAddr) -> Finding {
    const CHECK: &str = "ports";
    if address.port() == 0 {
        return Finding::ok(CHECK, format!("{variable} is 0: the system chooses a port"));
    }
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(CHECK, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::warning(
            CHECK,
            format!("{address} is taken"),
            "by this service, if it runs; a second one would not start",
            format!("stop the other process, or choose another port with {variable}"),
        ),
        Err(error) => Finding::error(
            CHECK,
            format!("{address} cannot be listened on"),
            error.to_string(),
            format!("choose another address, or another port with {variable}"),
        ),
    }
}

/// Without a token the operators' listener asks nobody who they are.
pub(super) fn operators(host: IpAddr, has_token: bool) -> Finding {
    if has_token {
        let what = format!("the operators' listener is on {host} and asks for a token");
        return Finding::ok("operators", what);
    }
    let inside = match host {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    if inside {
        return Finding::ok("operators", format!("the operators' listener is on {host}"));
    }
    Finding::warning(
        "operators",
        format!("the operators' listener is on {host}"),
        "it asks nobody for a token: whoever reaches it reads what is decided about every \
         endpoint and who asked for what, and decides what is logged",
        "set OPS_TOKEN, or OPS_HOST to 127.0.0.1 or a private address",
    )
}
