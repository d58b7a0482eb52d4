//! PgBouncer in transaction mode in front of a server: each transaction of a client may run on
//! another of the server's sessions.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::{
    machine::{Account, Address, Guard, ServerError, USER, has_ended, on_free_port, programs},
    postgres::Session,
};

/// The file in a pooler's folder that holds its process.
const PID_FILE: &str = "pgbouncer/pid";

/// What it takes to start, many times over.
const START_MAX: Duration = Duration::from_secs(10);

/// Starts one in a folder, which must let its account pass, in front of a server of this machine.
/// Gives the port at which every database of the server is found.
fn start(
    folder: &Path,
    server: &Address,
    pool_size: usize,
    more: &str,
) -> Result<u16, ServerError> {
    let (program, account) = (programs::pgbouncer()?, Account::find()?);
    let folder = account.folder(&folder.join("pgbouncer"))?;
    let users = format!("\"{USER}\" \"{}\"\n", server.password);
    account.secret(&folder.join("users"), &users)?;
    on_free_port(|port| {
        let settings = settings(&folder, [server.port, port], pool_size, more);
        let settings = account.secret(&folder.join("settings"), &settings)?;
        let mut command = Command::new(&program);
        account.run_as(&mut command);
        command.current_dir(&folder).env_clear().stdin(Stdio::null());
        // It parts from this process, so that nobody has to wait for its end but the system.
        let output = command.args(["--daemon", "--quiet"]).arg(settings).output()?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(ServerError::Failed { program: "pgbouncer", output });
        }
        answers(&folder, &server.through(port))
    })
}

/// What a usual installation has, and passwords in plain text over the loopback as on the server:
/// scrambling them takes unoptimised code 40 ms a connection.
fn settings(folder: &Path, [server, port]: [u16; 2], pool_size: usize, more: &str) -> String {
    let folder = folder.display();
    format!(
        "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
logfile = {folder}/log
pidfile = {folder}/pid
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
server_login_retry = 1
{more}
"
    )
}

/// Returns once it lets somebody in, and fails once it has ended.
fn answers(folder: &Path, address: &Address) -> Result<(), ServerError> {
    let begun = Instant::now();
    loop {
        let answered = Session::connect(&address.url()).and_then(|s| s.number("SELECT 1"));
        let Err(refused) = answered else { return Ok(()) };
        let process = fs::read_to_string(folder.join("pid")).unwrap_or_default();
        let process = process.trim().parse().ok().and_then(Pid::from_raw);
        let ended = process.is_some_and(has_ended);
        if ended || begun.elapsed() > START_MAX {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let output = format!("{refused}\n{}", log.trim_end());
            return Err(ServerError::Failed { program: "pgbouncer", output });
        }
    }
}

/// A PgBouncer that nobody else uses; it is gone when it is dropped, or its process ends in
/// whatever way. A test that only needs a pooler in front of its database has
/// [`Engine::PgBouncer`](crate::Engine::PgBouncer).
#[derive(Debug)]
pub struct PrivatePgBouncer {
    address: Address,
    _guard: Guard,
}

impl PrivatePgBouncer {
    /// Starts one in front of the server of a database; it has so many sessions of the server for
    /// each database. Returns once it answers.
    pub fn in_front_of(url: &str, pool_size: usize) -> Result<Self, ServerError> {
        Self::with_settings(url, pool_size, "")
    }

    /// The same, with more settings: a line each. The last of two counts.
    pub fn with_settings(url: &str, pool_size: usize, more: &str) -> Result<Self, ServerError> {
        let guard = Guard::new(PID_FILE, "TERM")?;
        let server = Address::parse(url);
        let port = start(guard.folder(), &server, pool_size, more)?;
        Ok(Self { address: server.through(port), _guard: guard })
    }

    /// The address of the same database through it.
    pub fn url(&self) -> String {
        self.address.url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Neighbour, TestDatabase};

    #[test]
    fn a_pooler_gives_a_session_for_each_transaction_and_is_gone_with_its_owner() {
        let database = TestDatabase::on(Engine::Postgres);
        let pooler = PrivatePgBouncer::in_front_of(database.url(), 2).expect("starts");
        let clients = [(); 3].map(|()| Neighbour::at_server(&pooler.url()));
        let session = "SELECT pg_backend_pid()";
        let [one, two, three] = &clients;
        one.run("BEGIN");
        two.run("BEGIN");
        let held = one.number(session);
        assert_ne!(held, two.number(session));
        one.run("COMMIT");
        assert_eq!(three.number(session), held, "the session of a transaction that has ended");
        let url = pooler.url();
        drop(pooler);
        assert!(Session::connect(&url).is_err());
    }
}
