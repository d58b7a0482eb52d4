//! One server: its folder, its start and its ends.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::machine::{Account, Address, ServerError, USER, on_free_port, programs, random_word};

/// Whether what was committed survives an end of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production: a commit is on the disk before it is answered.
    Kept,
    /// Nothing waits for the disk: for tests about anything else. Survives the end of the server,
    /// not of the machine.
    Risked,
}

/// Who uses a server, which decides whether anybody follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Every test of a run, each with a database.
    Everybody,
    /// One test, which may ask for a standby.
    OneTest,
}

/// Settings of every server. It is found by its port only, and databases that live for a second are
/// not vacuumed.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    // More tests run at a time than cores, each with a pool or two.
    "max_connections=200",
    "autovacuum=off",
];

/// What a [`Durability::Risked`] server has in addition. Commits stay synchronous: without a disk
/// to wait for that costs nothing, and a crash of the server alone keeps them.
const UNSAFE: &[&str] = &["fsync=off", "full_page_writes=off"];

/// Nobody follows.
const ALONE: &[&str] = &["wal_level=minimal", "max_wal_senders=0"];

/// A standby takes two senders: one to be copied by, one to follow.
const FOLLOWED: &[&str] = &["wal_level=replica", "max_wal_senders=4"];

/// The file in a server's folder that begins with its process.
pub(super) const PID_FILE: &str = "data/postmaster.pid";

/// A server's files and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    programs: PathBuf,
    account: Account,
    data: PathBuf,
    durability: Durability,
    audience: Audience,
    pub(super) address: Address,
}

/// How a server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Connections are told, and what was written is tidied.
    Fast,
    /// As a crash would: nothing is tidied, and what is connected is cut.
    Immediate,
}

impl Cluster {
    /// Makes a server in a folder, which must let its account pass.
    pub(super) fn init(
        folder: &Path,
        durability: Durability,
        audience: Audience,
    ) -> Result<Self, ServerError> {
        let (programs, account) = (programs::postgres()?, Account::find()?);
        let password = random_word();
        let data = account.folder(&folder.join("data"))?;
        let secret = account.secret(&folder.join("password"), &password)?;
        let address = Address { port: 0, password, database: "postgres".to_owned() };
        let cluster = Self { programs, account, data, durability, audience, address };
        let mut init = cluster.command("initdb");
        init.args(["--no-locale", "--encoding=UTF8", "--username", USER, "--no-sync"]);
        // In plain text over the loopback: scrambling it takes unoptimised code 40 ms a connection.
        init.arg("--auth=password").arg("--pwfile").arg(&secret);
        cluster.finish("initdb", &mut init)?;
        fs::remove_file(&secret)?;
        Ok(cluster)
    }

    /// Makes a server in a folder that follows this one, which must be running.
    pub(super) fn follow(&self, folder: &Path) -> Result<Self, ServerError> {
        let data = self.account.folder(&folder.join("data"))?;
        let standby = Self { data, ..self.clone() };
        let mut copy = standby.command("pg_basebackup");
        let Address { port, password, .. } = &self.address;
        copy.args(["--host=127.0.0.1", "--username", USER, "--port", &port.to_string()]);
        copy.env("PGPASSWORD", password).arg("--pgdata").arg(&standby.data);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
        standby.finish("pg_basebackup", &mut copy)?;
        Ok(standby)
    }

    /// Starts it on a free port; returns once it answers.
    pub(super) fn start(&mut self) -> Result<(), ServerError> {
        let mut cluster = self.clone();
        self.address.port = on_free_port(|port| {
            cluster.address.port = port;
            cluster.start_on_port()
        })?;
        Ok(())
    }

    /// Starts it on the port it had.
    pub(super) fn start_on_port(&self) -> Result<(), ServerError> {
        let durable = match self.durability {
            Durability::Kept => &[],
            Durability::Risked => UNSAFE,
        };
        let followed = match self.audience {
            Audience::Everybody => ALONE,
            Audience::OneTest => FOLLOWED,
        };
        let settings = SETTINGS.iter().chain(durable).chain(followed);
        let settings = settings.map(|setting| format!("-c {setting}"));
        let port = format!("-p {}", self.address.port);
        let options = settings.chain([port]).collect::<Vec<_>>().join(" ");
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--options", &options]);
        start.arg("--log").arg(self.log());
        self.finish("pg_ctl start", &mut start)
    }

    /// Ends it; returns once it has ended.
    pub(super) fn stop(&self, how: Stop) -> Result<(), ServerError> {
        let mode = match how {
            Stop::Fast => "--mode=fast",
            Stop::Immediate => "--mode=immediate",
        };
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", mode, "--wait", "--silent"]);
        self.finish("pg_ctl stop", &mut stop)
    }

    /// The process that is the parent of all its others.
    pub(super) fn process(&self) -> Result<i32, ServerError> {
        let text = fs::read_to_string(self.data.join("postmaster.pid"))?;
        let first = text.lines().next().and_then(|line| line.trim().parse().ok());
        first.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
    }

    fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// One of the programs of its version.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        self.account.run_as(&mut command);
        // The folder that the tests run in may be closed to the account.
        command.current_dir(&self.data).env_clear().env("PGDATA", &self.data).stdin(Stdio::null());
        command
    }

    fn finish(&self, program: &'static str, command: &mut Command) -> Result<(), ServerError> {
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let (said, log) = (String::from_utf8_lossy(&output.stderr), log.trim_end());
        let output = format!("{}\n{log}", said.trim_end());
        Err(ServerError::Failed { program, output })
    }
}
